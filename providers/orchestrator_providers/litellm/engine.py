"""One deployment behind litellm."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import cached_property
from typing import Any

from orchestrator.errors import CallTimeout, ConfigError, MalformedReply, OrchestratorError
from orchestrator.spec.provider import Engine, Target
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, RerankRequest, RerankResult
from orchestrator.types.stream import StreamEvent, StreamStart
from orchestrator.types.usage import UsageSource
from orchestrator_providers.litellm import loading
from orchestrator_providers.litellm.clients import close_clients, in_use, release
from orchestrator_providers.litellm.decoding import ChatDecoder, decode_chat, decode_embed, decode_rerank
from orchestrator_providers.litellm.errors import translate
from orchestrator_providers.litellm.messages import chat_kwargs, embed_kwargs, rerank_kwargs
from orchestrator_providers.litellm.quieting import inside, quiet_warnings
from orchestrator_providers.litellm.usage import SELF_COUNTED, counted_by_vendor

__all__ = ["LiteLLMEngine", "open_engine"]

# litellm keeps one HTTP client per distinct timeout. The exact one is ours to enforce.
_TIMEOUTS_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
_BASE64_VECTORS = frozenset({"openai", "azure"})
_UNPROVEN = CallWarning("unproven_end", "finish_reason", "litellm does not tell a finished answer from a cut one")


def open_engine(target: Target, *, require: Callable[[], None] = loading.require) -> Engine:
    """Bind a deployment.

    Raises:
        ConfigError: litellm is not installed (gives the command), or is a release that carried malware.
    """
    require()
    return LiteLLMEngine(target)


class LiteLLMEngine:
    """See `orchestrator.spec.provider.Engine`. Every error it raises is one of this library."""

    def __init__(self, target: Target, *, load: Callable[[], Any] = loading.load) -> None:
        self._target = target
        self._load = load
        self._module: Any = None
        self._settings = {name: value for name, value in target.settings.items() if name in target.profile.settings}

    def warm_up(self) -> None:
        """Import litellm, which takes seconds. Call it in a thread."""
        self._module = self._load()

    async def close(self) -> None:
        """Close the HTTP clients of the running event loop, unless another engine of the process uses them.

        Those of other loops close ten minutes after their last use, by litellm's own rule.
        """
        if release(self) and self._module is not None:
            with inside():
                await close_clients(self._module)

    async def chat(self, request: ChatRequest, *, timeout_s: float) -> ChatResult:
        """Answer a chat. litellm turns a missing finish reason into `stop`, so the end is taken on trust; a warning
        says so.
        """
        with _failures():
            async with asyncio.timeout(timeout_s):
                litellm = await self._litellm()
                kwargs, warnings = chat_kwargs(request, self._supported)
                response = await litellm.acompletion(**self._call(timeout_s), **kwargs)
                return decode_chat(response, self._source, (*warnings, _UNPROVEN))

    async def embed(self, request: EmbedRequest, *, timeout_s: float) -> EmbedResult:
        """Embed texts."""
        with _failures():
            async with asyncio.timeout(timeout_s):
                litellm = await self._litellm()
                in_base64 = self._vendor in _BASE64_VECTORS
                kwargs, warnings = embed_kwargs(request, self._vendor, base64_vectors=in_base64)
                response = await litellm.aembedding(**self._call(timeout_s), **kwargs)
                return decode_embed(response, len(request.texts), self._source, warnings)

    async def rerank(self, request: RerankRequest, *, timeout_s: float) -> RerankResult:
        """Order documents."""
        with _failures():
            async with asyncio.timeout(timeout_s):
                litellm = await self._litellm()
                response = await litellm.arerank(**self._call(timeout_s), **rerank_kwargs(request))
                return decode_rerank(response, len(request.documents), self._source)

    async def stream(self, request: ChatRequest, *, timeout_s: float) -> AsyncIterator[StreamEvent]:
        """Answer a chat in events. `StreamStart` always warns that the end is unproven.

        A finish reason that litellm made up, because the vendor's bytes ended without one, becomes `other`. Counts are
        the vendor's where both of them came in its chunks before that reason; else they are called an estimate.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        with _failures():
            async with asyncio.timeout_at(deadline):
                litellm = await self._litellm()
                kwargs, warnings = chat_kwargs(request, self._supported)
                options = {"stream": True, "stream_options": {"include_usage": True}}
                chunks = await litellm.acompletion(**self._call(timeout_s), **options, **kwargs)
        async with aclosing(_Chunks(chunks, deadline)) as source:
            yield StreamStart((*warnings, _UNPROVEN))
            decoder = ChatDecoder()
            while (chunk := await source.next(started=not decoder.empty)) is not None:
                for event in decoder.feed(chunk):
                    yield event
            if decoder.empty and not source.finished:
                raise MalformedReply("the stream ended before anything had come", maybe_billed=True)
            counted = source.finished and source.counted
            for event in decoder.finish(proven=source.finished, source=self._source if counted else "estimate"):
                yield event

    async def _litellm(self) -> Any:
        if self._module is None:
            self._module = await asyncio.to_thread(self._load)
        in_use(self)
        return self._module

    def _call(self, timeout_s: float) -> dict[str, Any]:
        """What every call carries. Fresh: litellm writes into it."""
        target = self._target
        call: dict[str, Any] = self._settings | {
            "model": target.model,
            "timeout": _rounded(timeout_s),
            "max_retries": 0,
            "num_retries": 0,
            "caching": False,
            "drop_params": False,
            "metadata": {},
        }
        if target.base_url:
            call["api_base"] = target.base_url
        if target.secret is not None:
            call["api_key"] = target.secret.reveal()
        return call

    @cached_property
    def _vendor(self) -> str:
        """The vendor litellm sees in the model string."""
        named = self._settings.get("custom_llm_provider")
        try:
            found = self._module.get_llm_provider(self._target.model, custom_llm_provider=named)
        except Exception as error:
            raise ConfigError(
                f"litellm knows no vendor for model {self._target.model!r}; write it as vendor/model",
                scope="deployment",
            ) from error
        return str(found[1])

    @property
    def _source(self) -> UsageSource:
        return "estimate" if self._vendor in SELF_COUNTED else "vendor"

    @cached_property
    def _supported(self) -> Collection[str] | None:
        names = self._module.get_supported_openai_params(self._target.model, custom_llm_provider=self._vendor)
        allowed = self._settings.get("allowed_openai_params") or ()
        return None if names is None else frozenset([*names, *allowed])


class _Chunks:
    """litellm's stream: read under our deadline, closed for good, its exceptions translated."""

    def __init__(self, wrapper: Any, deadline: float) -> None:
        self._wrapper = wrapper
        self._iterator = aiter(wrapper)
        self._deadline = deadline

    async def next(self, *, started: bool) -> Any:
        """The next chunk, None at the end. `started`: something was given out already."""
        with _failures(streaming=started):
            async with asyncio.timeout_at(self._deadline):
                return await anext(self._iterator, None)

    @property
    def finished(self) -> bool:
        """A finish reason came from the vendor. litellm keeps what it received apart from what it made up."""
        return bool(
            getattr(self._wrapper, "received_finish_reason", None)
            or getattr(self._wrapper, "intermittent_finish_reason", None)
        )

    @property
    def counted(self) -> bool:
        """The counts are the vendor's."""
        return counted_by_vendor(getattr(self._wrapper, "chunks", None) or ())

    async def aclose(self) -> None:
        """Hang up, whatever state the stream is in."""
        with inside(), suppress(Exception):
            await self._wrapper.aclose()


def _rounded(timeout_s: float) -> float:
    return _TIMEOUTS_S[min(bisect_left(_TIMEOUTS_S, timeout_s), len(_TIMEOUTS_S) - 1)]


@contextmanager
def _failures(*, streaming: bool = False) -> Iterator[None]:
    """Run litellm quietly; let nothing out but our errors and cancellation."""
    quiet_warnings()
    with inside():
        try:
            yield
        except OrchestratorError:
            raise
        except TimeoutError as error:
            raise CallTimeout("no answer before the deadline", kind="deadline", maybe_billed=True) from error
        except Exception as error:
            raise translate(error, streaming=streaming) from error
