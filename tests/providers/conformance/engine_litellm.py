"""The litellm engine over a double of litellm: the functions that the engine calls, without I/O and without litellm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from engine_sample import EngineSample
from wire_sample import Said, pieces

from orchestrator.spec.provider import Engine, Target
from orchestrator_providers.litellm.engine import LiteLLMEngine
from orchestrator_providers.litellm.profile import PROFILE

__all__ = ["sample"]

_VECTORS = [[0.5, -0.25], [1.0, 2.0], [3.0, 4.0]]
_RANKING = [(2, 0.875), (0, 0.5), (1, 0.125)]
_USAGE = {"prompt_tokens": 9, "completion_tokens": 4}


def _call(call: Any, index: int) -> Any:
    function = SimpleNamespace(name=call.name, arguments=call.text)
    return SimpleNamespace(index=index, id=call.id, type="function", function=function)


def _said(said: Said) -> dict[str, Any]:
    calls = [_call(call, index) for index, call in enumerate(said.calls)]
    return {"content": said.text or None, "reasoning_content": said.reasoning or None, "tool_calls": calls or None}


def _answer(message: dict[str, Any], finish: str | None, usage: Any, *, field: str) -> Any:
    choice = SimpleNamespace(finish_reason=finish, **{field: SimpleNamespace(**message)})
    return SimpleNamespace(id="chatcmpl-9", model="model-9", choices=[choice], usage=usage)


class _Stream:
    """A streamed answer as litellm gives it: chunks, and what it received apart from what it made up."""

    received_finish_reason = "stop"

    def __init__(self, said: Said) -> None:
        deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in pieces(said.reasoning)]
        deltas += [{"content": piece} for piece in pieces(said.text)]
        deltas += [{"tool_calls": [_call(call, index)]} for index, call in enumerate(said.calls)]
        chunks = [_answer(delta, None, None, field="delta") for delta in deltas]
        self._chunks = [*chunks, _answer({}, said.finish or _finish(said), _USAGE, field="delta")]

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        self._chunks.clear()


def _finish(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


class _LiteLLM:
    """The part of litellm's module that the engine uses."""

    def __init__(self, said: Said, error: Exception | None = None) -> None:
        self._said = said
        self._error = error

    def get_llm_provider(self, model: str, custom_llm_provider: str | None = None) -> tuple[str, str, None, None]:
        return model, "cohere", None, None

    def get_supported_openai_params(self, model: str, custom_llm_provider: str) -> list[str]:
        return ["temperature", "tools", "tool_choice"]

    async def acompletion(self, *, stream: bool = False, **_: Any) -> Any:
        self._fail()
        said = self._said
        return _Stream(said) if stream else _answer(_said(said), said.finish or _finish(said), _USAGE, field="message")

    async def aembedding(self, *, input: list[str], **_: Any) -> Any:  # noqa: A002 - litellm's name
        self._fail()
        rows = [{"index": index, "embedding": vector} for index, vector in enumerate(_VECTORS[: len(input)])]
        return SimpleNamespace(data=list(reversed(rows)), model="embed-9", usage={"prompt_tokens": 7})

    async def arerank(self, **_: Any) -> Any:
        self._fail()
        rows = [{"index": index, "relevance_score": score} for index, score in reversed(_RANKING)]
        return SimpleNamespace(id="rr-9", results=rows, meta={"billed_units": {"search_units": 1}})

    def _fail(self) -> None:
        if self._error is not None:
            raise self._error


def _open(module: _LiteLLM) -> Engine:
    target = Target(profile=PROFILE, provider="p", deployment="d", model="cohere/model-9", base_url="")
    return LiteLLMEngine(target, load=lambda: module)


def sample() -> EngineSample:
    """Litellm."""
    return EngineSample(
        open=lambda said: _open(_LiteLLM(said)),
        broken=lambda error: _open(_LiteLLM(Said(), error)),
        vectors=_VECTORS,
        ranking=_RANKING,
        exempt={
            "truncation": "litellm does not tell a finished answer from a cut one, and a warning says so",
            "usage source": "whether the vendor or litellm counted a stream is lost on the way",
            "error body": "litellm keeps no error body of a vendor whole",
        },
    )
