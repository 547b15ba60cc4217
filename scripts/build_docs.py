"""Writes the parts of docs/ that come from the code, between `<!-- generated: NAME -->` and `<!-- end -->`.

    python scripts/build_docs.py          # write them
    python scripts/build_docs.py --check  # fail if they are not what the code says

The site itself is made by `zensical build --strict` (extra `docs`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import orchestrator
from orchestrator import errors, registry, testing
from orchestrator.config.editor import json_schema

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_SECTIONS = {
    "Top of the file": None,
    "providers.NAME": "ProviderConfig",
    "deployments.NAME": "DeploymentConfig",
    "routes.NAME": "RouteConfig",
    "routes.NAME.when": "WhenConfig",
    "limits": "LimitsConfig",
    "defaults": "DefaultsConfig",
    "timeouts": "TimeoutsConfig",
    "retry": "RetryConfig",
    "breaker": "BreakerConfig",
    "store.redis": "RedisConfig",
    "log": "LogConfig",
    "log.rotate": "RotateConfig",
    "log.content": "ContentConfig",
    "profile": "ProfileConfig",
    "budgets": "BudgetConfig",
    "budgets.for": "ForConfig",
    "prices": "PricesConfig",
    "otel": "OtelConfig",
}
"""Headings for models of the file. A model that is named nowhere here gets a heading of its own name."""

_NOT_TOLD = {"Reference", "RouteTimeoutsConfig"}
_EXTRAS = {
    "azure": "`azure`, for Entra tokens",
    "azure_openai": "`azure`, for Entra tokens",
    "bedrock": "`bedrock`, for AWS's credential chain",
    "google": "",
    "litellm": "`litellm`",
    "local": "`local`",
    "vertex": "`google`",
}


def keys() -> str:
    """One table per mapping of the file, from the descriptions in `orchestrator/config`."""
    schema = json_schema()
    models = schema["$defs"]
    told = {model for model in _SECTIONS.values() if model}
    sections = dict(_SECTIONS) | {_title(name): name for name in models if name not in told | _NOT_TOLD}
    parts = []
    for title, model in sections.items():
        if model is not None and model not in models:
            continue
        found = models[model] if model else schema
        lead = "" if model is None else f"{_flat(found.get('description', ''))}\n\n"
        rows = [_key_row(key, field, found.get("required", [])) for key, field in found["properties"].items()]
        heading = title if model is None else f"`{title}`"
        parts.append(
            f"### {heading}\n\n{lead}| key | value | default | meaning |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
        )
    return "\n\n".join(parts)


def _title(model: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.removesuffix("Config")).lower()


def _key_row(key: str, field: Mapping[str, Any], required: list[str]) -> str:
    default = "required" if key in required else _default(field.get("default"))
    return f"| `{key}` | {_form(field)} | {default} | {_cell(field.get('description', ''))} |"


def _default(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    shown = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{shown}`"


def _form(field: Mapping[str, Any]) -> str:
    """What may be written, in a word or two."""
    shown = next((show(field[name]) for name, show in _FORMS.items() if field.get(name) is not None), "")
    return shown or _TYPES.get(str(field.get("type")), str(field.get("type", "")))


_FORMS: Mapping[str, Callable[[Any], str]] = {
    "examples": lambda found: ", ".join(f"`{_yaml(example)}`" for example in found),
    "enum": lambda found: ", ".join(f"`{one}`" for one in found),
    "const": lambda found: "" if found is False else f"`{found}`",
    "oneOf": lambda _: "`{env: NAME}` or `{file: path}`",
    "$ref": lambda found: "" if found.endswith("/Reference") else "mapping",
    "anyOf": lambda found: ", ".join(dict.fromkeys(filter(None, map(_form, found)))),
}
"""By the keyword of JSON Schema, the telling ones first."""

_TYPES = {"object": "mapping", "array": "list", "boolean": "`true`, `false`", "string": "text"}


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    return f"[{', '.join(map(_yaml, value))}]" if isinstance(value, list) else str(value)


def _flat(text: str) -> str:
    return re.sub(r"\n\n[A-Z]\w*:.*", "", text, flags=re.DOTALL).strip().replace("\n\n", " ").replace("\n", " ")


def _cell(text: str) -> str:
    # A brace outside code is no markup; a bar would end the cell.
    shown = re.sub(r"(?<!`)(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})(?!`)", r"`\1`", _flat(text))
    return shown.replace("|", "\\|")


def kinds() -> str:
    """One row per bundled kind, from the registry."""
    rows = []
    for kind in registry.kinds():
        profile = registry.find(kind).profile
        keys = ", ".join(f"`{name}`" for name in profile.api_key_env) or "none of its own"
        tested = "yes" if profile.tested else "no"
        rows.append(f"| `{kind}` | {', '.join(sorted(profile.tasks))} | {keys} | {tested} | {_EXTRAS.get(kind, '')} |")
    head = "| kind | tasks | usual variable | recorded | extra |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(rows)


def kind_settings() -> str:
    """The keys that a kind has beyond the common ones."""
    rows = [
        f"| `{kind}` | `{key}` | {_cell(meaning)} |"
        for kind in registry.kinds()
        for key, meaning in registry.find(kind).profile.settings.items()
    ]
    return "| kind | key | meaning |\n| --- | --- | --- |\n" + "\n".join(rows)


def error_tree() -> str:
    """The tree at the top of `orchestrator/errors.py`."""
    lines = [line[4:] for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    return "```text\n" + "\n".join(lines) + "\n```"


def reference() -> str:
    """One directive per public name: the clients, then the values, then the errors, then `orchestrator.testing`."""
    groups: dict[str, list[str]] = {"Clients": [], "Values": [], "Errors": [], "Testing": []}
    for module, names in ((orchestrator, orchestrator.__all__), (testing, _testing_names())):
        for name in names:
            value = getattr(module, name)
            if getattr(value, "__module__", "").startswith("orchestrator"):  # no aliases of types
                groups[_group(module.__name__, name, value)].append(f"::: {value.__module__}.{value.__qualname__}")
    groups["Errors"].sort(key=lambda line: (not line.endswith(".OrchestratorError"), line))
    return "\n\n".join(f"## {title}\n\n" + "\n\n".join(lines) for title, lines in groups.items())


def _testing_names() -> list[str]:
    places = ("scripted", "clock", "simulator")
    return [name for place in places for name in import_module(f"orchestrator.testing.{place}").__all__]


def _group(module: str, name: str, value: Any) -> str:
    if module != "orchestrator":
        return "Testing"
    if isinstance(value, type) and issubclass(value, BaseException):
        return "Errors"
    clients = ("Orchestrator", "Stream", "Transport")
    return "Clients" if name == "context" or name.endswith(clients) else "Values"


def log_keys() -> str:
    """The keys of an `llm.call` line, from its published schema."""
    schema = json.loads((ROOT / "orchestrator" / "telemetry" / "line.schema.json").read_text())
    rows = [f"| `{key}` | {_cell(field.get('description', ''))} |" for key, field in schema["properties"].items()]
    return "| key | meaning |\n| --- | --- |\n" + "\n".join(rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "keys": keys,
    "kinds": kinds,
    "kind-settings": kind_settings,
    "errors": error_tree,
    "log-keys": log_keys,
    "reference": reference,
}


def filled(text: str) -> str:
    """The page with its generated parts as the code has them now."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", text)


def main() -> int:
    """Write the pages, or with `--check` say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if something would be written")
    check = parser.parse_args().check
    stale = {page: text for page in sorted(DOCS.glob("*.md")) if (text := filled(page.read_text())) != page.read_text()}
    for page, text in stale.items():
        if check:
            print(
                f"{page.relative_to(ROOT)} is not what the code says: run python scripts/build_docs.py", file=sys.stderr
            )
        else:
            page.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
