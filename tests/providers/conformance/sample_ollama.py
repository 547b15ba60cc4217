"""A server of Ollama's shapes: lines of JSON, tool calls whole."""

from __future__ import annotations

from typing import Any

from wire_sample import ChatSample, EmbedSample, Said, Stream, WireSample, ndjson, pieces

from orchestrator.errors import ServerError
from orchestrator.types.usage import Usage

__all__ = ["sample"]

_USAGE = {"total_duration": 900, "prompt_eval_count": 90, "eval_count": 40}
_PLAIN_USAGE = {"total_duration": 500, "prompt_eval_count": 9, "eval_count": 4}


def _line(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "", **message}
    return {"model": "llama-9", "created_at": "2026-11-01T00:00:00Z", "message": message, "done": False} | more


def _end(said: Said) -> dict[str, Any]:
    return {"done": True, "done_reason": said.finish or "stop", **(said.usage or _PLAIN_USAGE)}


def _calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "function": {"index": index, "name": call.name, "arguments": dict(call.arguments)}}
        for index, call in enumerate(said.calls)
    ]


def _whole(said: Said) -> Any:
    message: dict[str, Any] = {"content": said.text}
    if said.reasoning:
        message["thinking"] = said.reasoning
    if said.calls:
        message["tool_calls"] = _calls(said)
    return _line(message, **_end(said))


def _stream(said: Said) -> Stream:
    frames = [ndjson(_line({"thinking": piece})) for piece in pieces(said.reasoning)]
    frames += [ndjson(_line({"content": piece})) for piece in pieces(said.text)]
    frames += [ndjson(_line({"tool_calls": [call]})) for call in _calls(said)]
    return Stream((*frames, ndjson(_line({}, **_end(said)))), len(frames))


def sample(_: Any) -> WireSample:
    """Ollama."""
    unfinished = _whole(Said(text="Half an ans")) | {"done": False}
    return WireSample(
        model="llama-9",
        error=lambda message: {"error": message},
        chat=ChatSample(
            whole=_whole,
            stream=_stream,
            stream_error=ndjson({"error": "an error was encountered while running the model"}),
            error_class=ServerError,
            unfinished=unfinished,
            finish={"length": "length"},
            usage=_USAGE,
            counts=Usage(input_tokens=90, output_tokens=40, raw=_USAGE),
        ),
        embed=EmbedSample(
            whole=lambda vectors: {"model": "embed-9", "embeddings": vectors, "prompt_eval_count": 7},
            counts=Usage(input_tokens=7, raw={"prompt_eval_count": 7}),
        ),
    )
