"""The JSON Schema of the file, for editors. Made from the models, plus the forms that only the file has.

`orchestrator.schema.json` beside this file is `json_schema()`, written down by running this module; a test holds the
two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.config.crosschecks import PRICE_KEYS
from orchestrator.config.resilience import RedisConfig
from orchestrator.config.schema import Config

__all__ = ["json_schema"]

_ORIGIN = ("source", "files", "content_hash", "config_hash", "warnings")
_SCALARS = frozenset({"string", "number", "integer", "boolean"})
_REFERENCE = {
    "type": "object",
    "description": "The value of an environment variable.",
    "properties": {
        "env": {"type": "string", "description": "The variable."},
        "default": {"description": "Used when the variable is not set.", "type": ["string", "number", "boolean"]},
    },
    "required": ["env"],
    "additionalProperties": False,
}


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of `orchestrator.yaml`."""
    schema = Config.model_json_schema()
    for key in _ORIGIN:
        del schema["properties"][key]
    models = schema["$defs"]
    del models["ProviderConfig"]["properties"]["settings"]
    # Kinds have keys of their own, and third parties' kinds are not known here.
    models["ProviderConfig"]["additionalProperties"] = True
    models["DeploymentConfig"]["properties"]["price"] |= _prices()
    models["DeploymentConfig"]["properties"]["price"].pop("anyOf", None)
    schema["properties"]["routes"]["additionalProperties"] = _or_one_line("RouteConfig")
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "One base file under this one, relative to it: mappings merge, scalars and lists replace.",
    }
    models["RouteTimeoutsConfig"] = _without(models["TimeoutsConfig"], "connect")
    models["RouteConfig"]["properties"]["timeouts"]["$ref"] = "#/$defs/RouteTimeoutsConfig"
    for key in ("timeouts", "retry"):
        # A route's default is what the top says.
        del models["RouteConfig"]["properties"][key]["default"]
    schema["properties"]["breaker"]["anyOf"] += [{"const": "off"}, {"const": False}]
    schema["properties"]["store"] = _store(schema["properties"]["store"]["description"])
    models["RedisConfig"] = RedisConfig.model_json_schema()
    del models["StoreConfig"]
    for model in (schema, *models.values()):
        model["properties"] = {key: _field(key, field) for key, field in model["properties"].items()}
    models["Reference"] = _REFERENCE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "orchestrator.yaml",
        "description": "Which models answer an application's calls, in what order, under which limits, at what price.",
    }


def _prices() -> dict[str, Any]:
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"$ref": "#/$defs/Reference"}]}
    return {"type": "object", "properties": dict.fromkeys(PRICE_KEYS, amount), "additionalProperties": False}


def _without(model: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {**model, "properties": {name: field for name, field in model["properties"].items() if name != key}}


def _store(description: str) -> dict[str, Any]:
    redis = {
        "type": "object",
        "properties": {"redis": {"$ref": "#/$defs/RedisConfig"}},
        "required": ["redis"],
        "additionalProperties": False,
    }
    return {"description": description, "default": "memory", "anyOf": [{"const": "memory"}, redis]}


def _or_one_line(model: str) -> dict[str, Any]:
    line = {"type": "string", "description": "vendor/model or a deployment, for a chat.", "examples": ["openai/gpt-4o"]}
    return {"anyOf": [line, {"$ref": "#/$defs/Reference"}, {"$ref": f"#/$defs/{model}"}]}


def _field(key: str, field: Mapping[str, Any]) -> dict[str, Any]:
    """The field without null (the file leaves a key out instead), and with references where it is a scalar."""
    kept = {name: value for name, value in field.items() if name != "title" and not (name == "default" and not value)}
    forms = [form for form in kept.pop("anyOf", [{}]) if form.get("type") != "null"]
    flat = [inner for form in forms for inner in form.get("anyOf", [form])]
    extras = {name: value for form in forms if "anyOf" in form for name, value in form.items() if name != "anyOf"}
    if "type" in kept and flat == [{}]:
        moved = {name: kept.pop(name) for name in list(kept) if name not in {"description", "default", "examples"}}
        flat = [moved]
    if flat == [{}]:
        return kept
    if key != "api_key" and any(form.get("type") in _SCALARS or "const" in form for form in flat):
        flat.append({"$ref": "#/$defs/Reference"})
    return kept | extras | (flat[0] if len(flat) == 1 else {"anyOf": flat})


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
