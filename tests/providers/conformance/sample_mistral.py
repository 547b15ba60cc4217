"""A vendor of Mistral's shapes: reasoning is a part of the content, and tool calls come whole."""

from __future__ import annotations

from typing import Any

import sample_openai
from wire_sample import ChatSample, Said, Stream, WireSample, pieces, sse

from orchestrator.spec.provider import Profile
from orchestrator.types.usage import Usage

__all__ = ["sample"]

_USAGE = {
    "prompt_tokens": 90,
    "completion_tokens": 40,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 64},
}
_PLAIN_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def _finish(said: Said) -> str:
    return said.finish or ("tool_calls" if said.calls else "stop")


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "function": {"name": call.name, "arguments": call.text}, "index": index}
        for index, call in enumerate(said.calls)
    ]


def _body(kind: str, usage: Any, **choice: Any) -> dict[str, Any]:
    body = {"id": "9" * 32, "object": kind, "created": 1, "model": "mistral-9", "choices": [{"index": 0, **choice}]}
    return body | ({"usage": usage} if usage else {})


def _whole(said: Said) -> Any:
    content: Any = said.text
    if said.reasoning:
        content = [_thinking(said.reasoning), *([{"type": "text", "text": said.text}] if said.text else [])]
    message = {"role": "assistant", "content": content, "tool_calls": _calls(said) or None, "prefix": False}
    usage = said.usage or _PLAIN_USAGE
    return _body("chat.completion", usage, message=message, finish_reason=_finish(said))


def _chunk(delta: dict[str, Any], finish: str | None = None, usage: Any = None) -> bytes:
    return sse(_body("chat.completion.chunk", usage, delta=delta, finish_reason=finish))


def _stream(said: Said) -> Stream:
    frames = [_chunk({"role": "assistant", "content": ""})]
    frames += [_chunk({"content": [_thinking(piece)]}) for piece in pieces(said.reasoning)]
    frames += [_chunk({"content": piece}) for piece in pieces(said.text)]
    signal = len(frames)
    last = {"content": "", **({"tool_calls": _calls(said)} if said.calls else {})}
    frames += [_chunk(last, _finish(said), said.usage or _PLAIN_USAGE), sse("[DONE]")]
    return Stream(tuple(frames), signal)


def sample(profile: Profile) -> WireSample:
    """Mistral."""
    unfinished = _whole(Said(text="Half an ans"))
    unfinished["choices"][0]["finish_reason"] = None
    busy = {"object": "error", "message": "busy", "type": "service_tier_capacity_exceeded", "code": "3505"}
    return WireSample(
        model="mistral-medium-latest",
        error=lambda message: {"object": "error", "message": message, "type": "some_error", "code": None},
        chat=ChatSample(
            whole=_whole,
            stream=_stream,
            stream_error=sse(busy),
            unfinished=unfinished,
            finish={"length": "length", "model_length": "length"},
            usage=_USAGE,
            counts=Usage(input_tokens=90, output_tokens=40, cache_read_tokens=64, raw=_USAGE),
        ),
        embed=sample_openai.embed_sample(profile),
    )
