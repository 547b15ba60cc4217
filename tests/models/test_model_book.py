"""The model book: its files, its layers, and how names are found."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orchestrator.models
from orchestrator.config import ProfileConfig, model_profile
from orchestrator.errors import ConfigError
from orchestrator.models import ModelBook, bundled, overlaid
from orchestrator.models.names import canonical
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Profile

FOLDER = Path(orchestrator.models.__file__).parent
ROOT = FOLDER.parent.parent
FILES = {name: json.loads((FOLDER / f"{name}.json").read_bytes()) for name in ("families", "book", "disagreements")}
SCHEMA = json.loads((FOLDER / "schema.json").read_bytes())
RULE_KEYS = {"family", "from", "if", "unless"}


def _check(part: str, value: Any) -> None:
    fastjsonschema.validate({"$ref": f"#/definitions/{part}", "definitions": SCHEMA["definitions"]}, value)


@pytest.mark.parametrize("name", ["families", "book"])
def test_a_file_fits_the_schema(name: str) -> None:
    """Both data files have the form that the published schema gives."""
    _check(name, FILES[name])


def test_facts_of_a_generation_fit_the_schema() -> None:
    """What a rule says beside its conditions are facts, with the names and values of facts."""
    for line in FILES["families"]["lines"]:
        for rule in line["generations"]:
            facts = {key: value for key, value in rule.items() if key not in RULE_KEYS}
            assert not (facts and not rule["family"]), rule
            _check("facts", facts)


def test_facts_are_those_of_a_profile() -> None:
    """Every fact that the schema allows is a field of the profile, so none is lost when it is read."""
    assert set(SCHEMA["definitions"]["facts"]["properties"]) <= set(ModelProfile.__dataclass_fields__)


def test_the_compiled_file_is_small() -> None:
    """The compiled book stays below 400 kB, so that a client is built in milliseconds."""
    assert (FOLDER / "book.json").stat().st_size < 400_000


def test_the_book_is_what_its_sources_say() -> None:
    """Compiling the installed sources again gives the same bytes."""
    if not all(map(find_spec, ("genai_prices", "litellm"))):
        pytest.skip("the public books come with the extras")
    script = ROOT / "scripts" / "build_model_book.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


EXPLAINED = {
    "aws/qwen3-coder-480b-a35b": "the host serves less than the model can",
    "cerebras/llama3-1-8b": "free and paid tiers differ",
    "databricks/databricks-meta-llama-3-1-8b-instruct": "the map's figure is above what the model can",
    "deepseek/deepseek-chat": "the model behind the name changed",
    "deepseek/deepseek-reasoner": "the model behind the name changed",
    "deepseek/deepseek-v3-2": "the weights take more than the vendor's API did",
    "fireworks/llama4-maverick-instruct-basic": "the host serves less than the model can",
    "google/gemini-2-5-pro-preview-tts": "a speech model, priced by rules of the chat model",
    "ovhcloud/mistral-7b-instruct-v0-3": "the host serves less than the map says",
    "ovhcloud/mistral-nemo-instruct-2407": "the host serves less than the map says",
}
FAMILIES_EXPLAINED = {
    "github-copilot/": "the reseller's window is smaller than the model's",
    "minimax/": "the vendor's page gives 204,800, its announcement a million",
    "openai/gpt-5": "chat variants are priced by rules of the larger model",
}


def test_the_sources_agree_on_contexts() -> None:
    """Where both sources know a context they agree within rounding, but for differences explained here."""
    odd = {name for name, found in FILES["disagreements"]["models"].items() if "context_tokens" in found}
    unexplained = {name for name in odd if not name.startswith(tuple(FAMILIES_EXPLAINED))} - EXPLAINED.keys()
    assert unexplained == set()
    assert len(odd) < 40


def test_few_flags_contradict_the_hand_written_families() -> None:
    """What families say of tools and schemas is what the map says, for nineteen in twenty models of their makers."""
    makers = ("openai/", "anthropic/", "google/", "mistral/", "x-ai/", "cohere/")
    odd = [
        name
        for name, found in FILES["disagreements"]["models"].items()
        if name.startswith(makers) and {"tools", "json_schema", "parallel_tools"} & found.keys()
    ]
    assert len(odd) < len(FILES["book"]["models"]) / 20


@pytest.mark.parametrize(
    "name",
    [
        "claude-haiku-4-5-20251001",
        "anthropic/claude-haiku-4.5-20251001",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "claude-haiku-4-5@20251001",
        "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "openrouter/anthropic/claude-haiku-4.5-20251001:beta",
    ],
)
def test_a_model_is_known_by_any_spelling(name: str) -> None:
    """Path, region, seller, edition, tag and separators do not hide a model."""
    known = bundled().find("somewhere", name)
    assert (known.family, known.context_tokens, known.max_output_tokens) == ("claude-4-5", 200_000, 64_000)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("claude-opus-9", "claude-5-5"),
        ("claude-next", "claude-5"),
        ("gpt-4-1106-preview", "gpt-4"),
        ("gpt-35-turbo", "gpt-3-5"),
        ("gpt-prod", ""),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "gpt-4o"),
        ("chatgpt-4o-latest", "gpt-4o"),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-3-1"),
        ("us.deepseek.r1-v1:0", "deepseek-r1"),
        ("amazon.titan-embed-text-v2:0", "titan-embed-v2"),
        ("gpt-image-1", ""),
        ("codellama:13b", ""),
        ("my-deployment", ""),
    ],
)
def test_families_of_names(name: str, family: str) -> None:
    """A later version counts as the newest known one; what only looks like a member is none."""
    assert bundled().find("openai", name).family == family


def test_a_snapshot_has_what_its_model_has() -> None:
    """A dated name that the book does not list has the limits of the undated one, but not its retirement."""
    known, alias = bundled().find("openai", "o1-2031-01-01"), bundled().find("openai", "o1")
    assert (known.context_tokens, known.max_output_tokens) == (alias.context_tokens, alias.max_output_tokens)
    assert (alias.retires_on, known.retires_on) == (date(2026, 10, 23), None)


def test_a_vendor_retires_on_its_own_day() -> None:
    """One model has one day of retirement per vendor, and Google's two places of sale have one each."""
    days = {
        vendor: bundled().find(vendor, "gemini-2.5-pro").retires_on for vendor in ("google", "vertex", "openrouter")
    }
    assert days == {"google": None, "vertex": date(2026, 10, 20), "openrouter": None}


def test_a_host_serves_open_weights_as_it_likes() -> None:
    """Limits of a host hold for that host only."""
    caps = [bundled().find(vendor, "gpt-oss-120b").max_output_tokens for vendor in ("groq", "cerebras", "elsewhere")]
    assert caps == [65_536, 32_768, None]


NAMES = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "claude",
                "gpt",
                "-",
                "4",
                ".5",
                "/",
                "us.",
                "anthropic.",
                ":",
                "@",
                "o3",
                "latest",
                "-v1:0",
                "qwen3",
                "-vl",
            ]
        ),
        max_size=12,
    ).map("".join),
)


@given(NAMES, NAMES)
def test_no_name_is_too_odd(vendor: str, model: str) -> None:
    """Whatever the names, looking them up gives a profile, and the same one again."""
    assert bundled().find(vendor, model) == bundled().find(vendor, model)
    assert canonical(canonical(model)) == canonical(canonical(canonical(model)))


LAYER = st.fixed_dictionaries({}, optional={"context_tokens": st.integers(1, 9), "tools": st.booleans()})


@given(LAYER, LAYER, LAYER, LAYER, LAYER)
def test_a_later_layer_beats_an_earlier_one(
    vendor: dict[str, Any], family: dict[str, Any], model: dict[str, Any], served: dict[str, Any], file: dict[str, Any]
) -> None:
    """File beats model at the vendor beats model beats family beats vendor, fact by fact."""
    book = ModelBook(
        {
            "vendors": {"v": vendor},
            "lines": [{"words": ["m"], "generations": [{"family": "f", **family}]}],
        },
        {
            "version": "1",
            "sources": [],
            "vendors": {},
            "models": {"m": model},
            "served": {"v": {"m": served}},
            "retirements": {},
        },
    )
    known = overlaid(book.find("v", "m"), file)
    for fact in ("context_tokens", "tools"):
        said = [layer[fact] for layer in (vendor, family, model, served, file) if fact in layer]
        assert getattr(known, fact) == (said[-1] if said else None)


def test_the_file_has_the_last_word() -> None:
    """A deployment's `profile` replaces single facts and leaves the others."""
    own = ProfileConfig.model_validate({"context_tokens": "64k", "media": ["image"], "refuses": ["stop"]})
    kind = Profile(kind="openai", tasks=frozenset({"chat"}), prices="openai")
    known = model_profile("gpt-4o-mini", None, own, kind)
    assert (known.context_tokens, known.media, known.refuses) == (64_000, frozenset({"image/*"}), frozenset({"stop"}))
    assert known.max_output_tokens == 16_384


@pytest.mark.parametrize(
    ("kind", "prices", "model", "told", "family"),
    [
        ("litellm", None, "anthropic/claude-haiku-4-5", None, "claude-4-5"),
        ("azure", "azure", "our-deployment", "openai/gpt-4o", "gpt-4o"),
        ("azure", "azure", "our-deployment", "openai", ""),
        ("openai_compatible", None, "llama-3.3-70b", None, "llama-3-1"),
    ],
)
def test_whose_model_it_is(kind: str, prices: str | None, model: str, told: str | None, family: str) -> None:
    """An engine's names say the vendor; `priced_as` with a model says what hides behind a name of one's own."""
    assert model_profile(model, told, None, Profile(kind=kind, tasks=frozenset(), prices=prices)).family == family


def test_what_is_no_book_is_refused(tmp_path: Path) -> None:
    """A folder without the files, or with others, is a configuration error that names it."""
    with pytest.raises(ConfigError, match="cannot be read"):
        ModelBook.read(tmp_path)
    for name in ("families.json", "book.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match="holds no model book"):
        ModelBook.read(tmp_path)
