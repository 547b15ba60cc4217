"""Which sample stands for which kind. A kind without an entry, or a folder's standard file, fails `test_folders.py`.

To add a wire: write `sample_<wire>.py` with `sample(profile) -> WireSample`, and name it in `_BY_KIND`. Rows of
`vendors` that bind OpenAI's codecs need nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from wire_sample import WireSample

from orchestrator import registry
from orchestrator.spec.provider import ChatCodec, Codecs, EngineFactory, Profile, Target, Wire
from orchestrator_providers.openai.codec import bind as openai_bind

__all__ = ["ENGINES", "WIRES", "bind", "chat_codec", "folder", "kinds_with", "representatives", "sample_of", "target"]

_BY_KIND: Mapping[str, str] = {
    "anthropic": "sample_anthropic",
    "azure": "sample_azure",
    "azure_openai": "sample_azure",
    "bedrock": "sample_bedrock",
    "cohere": "sample_cohere",
    "google": "sample_google",
    "mistral": "sample_mistral",
    "ollama": "sample_ollama",
    "openai_responses": "sample_openai_responses",
    "tei": "sample_tei",
    "vertex": "sample_google",
    "xai_responses": "sample_openai_responses",
}

WIRES: Mapping[str, Wire] = {kind: found for kind in registry.kinds() if isinstance(found := registry.find(kind), Wire)}
ENGINES: Mapping[str, EngineFactory] = {
    kind: found for kind in registry.kinds() if isinstance(found := registry.find(kind), EngineFactory)
}


def _module(kind: str) -> str | None:
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    return "sample_openai" if WIRES[kind].bind is openai_bind else None


@cache
def sample_of(kind: str) -> WireSample:
    """The sample of a kind.

    Raises:
        AssertionError: nobody wrote one.
    """
    module = _module(kind)
    assert module is not None, f"no conformance entry for kind {kind!r}: see entries.py"
    make: Callable[[Profile], WireSample] = import_module(module).sample
    return make(WIRES[kind].profile)


def kinds_with(task: str) -> list[str]:
    """The kinds of wires that have this task, and a sample."""
    return [kind for kind, wire in WIRES.items() if task in wire.profile.tasks and _module(kind) is not None]


def representatives(task: str) -> list[str]:
    """One kind per sample and distinct codec, for claims that cost more than a moment."""
    found: dict[Any, str] = {}
    for kind in kinds_with(task):
        profile = WIRES[kind].profile
        marks = getattr(profile.quirks, "finish_optional", None), getattr(profile.quirks, "returns_reasoning", None)
        found.setdefault((_module(kind), type(codecs_of(kind).chat), marks), kind)
    return list(found.values())


def folder(kind: str) -> str:
    """The provider folder that a wire's codecs come from."""
    return WIRES[kind].bind.__module__.split(".")[1]


def target(kind: str, task: str = "chat", **more: Any) -> Target:
    """What the sample's deployment is bound to."""
    wire, sample = WIRES[kind], sample_of(kind)
    located = wire.locate(sample.settings) if wire.locate and not wire.profile.base_url else None
    model = {"chat": sample.model, "embed": sample.embed_model, "rerank": sample.rerank_model}[task]
    facts: dict[str, Any] = {
        "profile": wire.profile,
        "provider": "p",
        "deployment": "d",
        "model": model,
        "base_url": wire.profile.base_url or located or sample.base_url,
        "settings": sample.settings,
    }
    return Target(**(facts | more))


def bind(kind: str, task: str = "chat", **more: Any) -> Codecs:
    """The codecs of the sample's deployment."""
    return WIRES[kind].bind(target(kind, task, **more))


codecs_of = cache(bind)


def chat_codec(kind: str, **more: Any) -> ChatCodec:
    """The chat codec of the sample's deployment."""
    codec = bind(kind, **more).chat
    assert codec is not None
    return codec
