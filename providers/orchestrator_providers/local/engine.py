"""One deployment of a model in this process.

Measured with wordllama 0.4.0 on Python 3.11, two shared x86 cores, one call at a time: the model is loaded in 0.2 to
0.3 s and takes 49 MiB of memory; a second then is enough for 16,000 to 27,000 texts of 14 tokens, or for 1,400 to 1,900
of 240.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from orchestrator.errors import ConfigError, UnsupportedFeature
from orchestrator.spec.provider import Engine, Target
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, RerankItem, RerankRequest, RerankResult, Vector
from orchestrator.types.stream import StreamEvent
from orchestrator.types.usage import Usage
from orchestrator_providers.local import loading
from orchestrator_providers.local.errors import failures
from orchestrator_providers.local.profile import KIND, MODELS, LocalModel

__all__ = ["LocalEngine", "open_engine"]

_SLICE = 256
"""Texts worked on at a time: between two slices a deadline or a cancellation takes effect."""


def open_engine(target: Target, *, require: Callable[[LocalModel], None] = loading.require) -> Engine:
    """Bind a deployment.

    Raises:
        ConfigError: no such model, or its package is not installed (gives the command).
    """
    model = MODELS.get(target.model)
    if model is None:
        near = get_close_matches(target.model, MODELS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(MODELS)}"
        raise ConfigError(f"kind {KIND!r} has no model {target.model!r}; {hint}")
    require(model)
    return LocalEngine(target.model, model)


class LocalEngine:
    """See `orchestrator.spec.provider.Engine`. Deterministic: the same text has the same vector, in any batch."""

    def __init__(
        self, name: str, model: LocalModel, *, load: Callable[[str, LocalModel], loading.Model] = loading.load
    ) -> None:
        self._name = name
        self._facts = model
        self._load = load
        self._model: loading.Model | None = None

    def warm_up(self) -> None:
        """Load the model. Call it in a thread."""
        self._loaded()

    def _loaded(self) -> loading.Model:
        model = self._model
        if model is None:
            model = self._model = self._load(self._name, self._facts)
        return model

    async def close(self) -> None:
        """Let go of the model: its memory is free once no other engine uses it. A later call loads it again."""
        self._model = None

    async def embed(self, request: EmbedRequest, *, timeout_s: float) -> EmbedResult:
        """Embed texts, of any length: a text's vector is the mean of its tokens'. Vectors have length 1."""
        options = request.options
        dimensions = self._dimensions(options.dimensions)
        warnings = _left_out(options.provider_options)
        if options.input_type is not None:
            warnings += (CallWarning("unsupported", "input_type", "left out: the model embeds all texts alike"),)
        rows, count = await self._embed(request.texts, dimensions, timeout_s)
        vectors: list[Vector] = [array("f", row.tobytes()) for row in rows]
        return EmbedResult(vectors=vectors, usage=_usage(count), model=self._name, warnings=warnings)

    async def rerank(self, request: RerankRequest, *, timeout_s: float) -> RerankResult:
        """Order documents by the cosine between their vectors and the query's: between -1 and 1."""
        texts = (request.query, *request.documents)
        rows, count = await self._embed(texts, self._facts.dimensions[-1], timeout_s)
        items = [RerankItem(index, float(row @ rows[0])) for index, row in enumerate(rows[1:])]
        return RerankResult(
            results=tuple(sorted(items, key=lambda item: -item.score)[: request.options.top_n]),
            usage=_usage(count),
            model=self._name,
            warnings=_left_out(request.options.provider_options),
        )

    async def chat(self, request: ChatRequest, *, timeout_s: float) -> ChatResult:
        """Refused: there is no model to chat with. A configuration that asks for it is refused when it is loaded."""
        raise UnsupportedFeature(f"kind {KIND!r} has no chat")

    async def stream(self, request: ChatRequest, *, timeout_s: float) -> AsyncIterator[StreamEvent]:
        """Refused, as `chat` is."""
        raise UnsupportedFeature(f"kind {KIND!r} has no chat")
        yield  # pragma: no cover - what makes this an iterator

    def _dimensions(self, asked: int | None) -> int:
        choices = self._facts.dimensions
        if asked is None:
            return choices[-1]
        if asked not in choices:
            known = ", ".join(str(choice) for choice in choices)
            raise UnsupportedFeature(f"model {self._name!r} has vectors of {known} numbers, not {asked}")
        return asked

    async def _embed(self, texts: Sequence[str], dimensions: int, timeout_s: float) -> tuple[Any, int]:
        """Rows of a matrix, and tokens counted. In threads: the event loop goes on meanwhile."""
        with failures():
            async with asyncio.timeout(timeout_s):
                model = self._model
                if model is None:
                    model = await asyncio.to_thread(self._loaded)
                parts = [
                    await asyncio.to_thread(model.embed, texts[start : start + _SLICE], dimensions)
                    for start in range(0, len(texts), _SLICE)
                ]
        return [row for rows, _ in parts for row in rows], sum(count for _, count in parts)


def _usage(tokens: int) -> Usage:
    # Exact: counted by what read the texts.
    return Usage(input_tokens=tokens, raw={"tokens": tokens})


def _left_out(options: Mapping[str, Mapping[str, Any]] | None) -> tuple[CallWarning, ...]:
    own = (options or {}).get(KIND) or {}
    return tuple([CallWarning("unsupported", name, "left out: the model has no such option") for name in sorted(own)])
