"""Every provider folder has the files of its kind, and every kind has facts that make sense and a conformance entry."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from engine_entries import ENGINE_SAMPLES
from entries import ENGINES, WIRES, folder, sample_of

import orchestrator_providers
from orchestrator import registry
from orchestrator.spec.provider import EngineFactory, Profile, Wire
from orchestrator_providers.shared.limit_headers import STYLES

ROOT = Path(next(iter(orchestrator_providers.__path__)))
README = ROOT.parent / "README.md"
NOT_PROVIDERS = {"shared", "__pycache__"}
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_PROVIDERS)
KINDS = registry.kinds()
WIRE_FILES = {"codec", "errors", "profile", "usage"}
ENGINE_FILES = {"engine", "errors", "profile"}
KEYLESS_HOSTS = frozenset({"127.0.0.1", "localhost"})

RECORDED_AS = {
    "google": ("gemini",),
    "mistral": ("mistral",),
    "azure": ("azure_openai", "azure_ai"),
    "openai_responses": ("openai",),
    "xai_responses": ("xai",),
}
"""The recorded traffic's name for a kind, where it is another one."""

BY_ITS_OWN_RECORDINGS = frozenset({"litellm", "local", "openai_compatible"})
"""Kinds that are no vendor of their own: nothing can be recorded, or what was is of many vendors."""


def _profile(kind: str) -> Profile:
    return registry.find(kind).profile


def _published(name: str) -> set[str]:
    module = import_module(f"orchestrator_providers.{name}")
    return {one for one in ("WIRE", "WIRES", "ENGINE") if hasattr(module, one)}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_has_the_files_of_its_kind(name: str) -> None:
    """A wire has codec, usage, errors, profile, and stream if it chats; an engine has engine, errors, profile."""
    published = _published(name)
    assert published, f"{name}/__init__.py publishes neither WIRE, WIRES nor ENGINE"
    files = {path.stem for path in (ROOT / name).glob("*.py")}
    wanted = set(ENGINE_FILES) if published == {"ENGINE"} else set(WIRE_FILES)
    chats = any("chat" in _profile(kind).tasks for kind in _kinds_of(name))
    if published != {"ENGINE"} and chats and not _borrows_its_stream(name):
        wanted.add("stream")
    assert wanted <= files, f"{name} lacks {sorted(wanted - files)}"


def _kinds_of(name: str) -> list[str]:
    module = import_module(f"orchestrator_providers.{name}")
    found: list[Wire | EngineFactory] = []
    for one in _published(name):
        value = getattr(module, one)
        found += value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
    return [one.profile.kind for one in found]


def _borrows_its_stream(name: str) -> bool:
    """Its decoders come from another folder, whose shapes the vendor truly serves."""
    codecs = [WIRES[kind].bind.__module__.split(".")[1] for kind in _kinds_of(name)]
    return all(one != name for one in codecs)


@pytest.mark.parametrize("name", FOLDERS)
def test_what_a_folder_publishes_is_registered(name: str) -> None:
    """The kinds that a folder publishes are those that the registry finds."""
    for kind in _kinds_of(name):
        assert kind in KINDS, f"{name} publishes {kind}, which the registry does not know"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_conformance_entry(kind: str) -> None:
    """Every kind of the registry takes part in the conformance suite."""
    if kind in ENGINES:
        assert kind in ENGINE_SAMPLES, f"no conformance entry for engine {kind!r}: see engine_entries.py"
        return
    sample = sample_of(kind)
    for task in WIRES[kind].profile.tasks:
        assert getattr(sample, task) is not None, f"the entry of {kind} has no sample of {task}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_facts_of_a_kind_make_sense(kind: str) -> None:
    """Name, tasks, hosts, key and limits of a profile agree with one another."""
    profile = _profile(kind)
    assert profile.kind == kind
    assert profile.tasks
    assert profile.otel_name, "gen_ai.provider.name is required"
    assert profile.limit_headers in STYLES | {""}
    assert all(name == name.upper() for name in profile.api_key_env)
    assert all(explanation for explanation in profile.settings.values())
    assert all(name == name.lower() for name in profile.headers)
    assert profile.auth_header == profile.auth_header.lower()
    host = urlsplit(profile.base_url or "").hostname
    if host in KEYLESS_HOSTS:
        assert not profile.key_required, "a server of one's own asks for no key"
        assert not profile.prices, "and has no price"
    elif host:
        assert _is_one_of(host, profile.hosts), f"{host} is none of {profile.hosts}: its prices would be unknown"


def _is_one_of(host: str, hosts: tuple[str, ...]) -> bool:
    return any(host.endswith(known) if known.startswith(".") else host == known for known in hosts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_untested_exactly_where_nothing_was_recorded(kind: str) -> None:
    """`tested` says whether recorded traffic of that vendor exists."""
    if not os.environ.get("WIRE_CORPUS"):
        pytest.skip("WIRE_CORPUS is unset")
    if kind in BY_ITS_OWN_RECORDINGS:
        pytest.skip("no vendor of its own")
    rows = json.loads(Path(os.environ["WIRE_CORPUS"], "INDEX.json").read_bytes())
    recorded = {row["vendor"] for row in rows}
    assert _profile(kind).tested == bool(recorded & set(RECORDED_AS.get(kind, (kind,))))


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_names_the_kind(kind: str) -> None:
    """The table of kinds in `providers/README.md` has a row for each kind."""
    if not README.exists():
        pytest.skip("installed without the sources")
    assert f"| `{kind}` |" in README.read_text(), "see scripts in providers/README.md"


@pytest.mark.parametrize("kind", sorted(WIRES))
def test_a_wire_lives_in_a_folder(kind: str) -> None:
    """The codecs of a wire come from a provider folder, and what binds them is public."""
    assert folder(kind) in FOLDERS
