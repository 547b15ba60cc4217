"""A vendor of Cohere's v2 shapes."""

from __future__ import annotations

import base64
import struct
from typing import Any

from wire_sample import ChatSample, EmbedSample, RerankSample, Said, Stream, WireSample, pieces, sse

from orchestrator.errors import ContentFiltered, ServerError
from orchestrator.types.usage import Usage

__all__ = ["sample"]

_USAGE = {
    "billed_units": {"input_tokens": 20, "output_tokens": 30},
    "tokens": {"input_tokens": 86, "image_tokens": 4, "output_tokens": 40, "reasoning_tokens": 24},
    "cached_tokens": 64,
}
_COUNTS = Usage(
    input_tokens=90,
    output_tokens=40,
    cache_read_tokens=64,
    reasoning_tokens=24,
    input_image_tokens=4,
    raw=_USAGE,
)
_PLAIN_USAGE = {"billed_units": {"input_tokens": 2}, "tokens": {"input_tokens": 9, "output_tokens": 4}}
_META = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}}


def _finish(said: Said) -> str:
    return said.finish or ("TOOL_CALL" if said.calls else "COMPLETE")


def _call(call: Any) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _whole(said: Said) -> Any:
    content: list[dict[str, Any]] = []
    if said.reasoning:
        content.append({"type": "thinking", "thinking": said.reasoning})
    if said.text:
        content.append({"type": "text", "text": said.text})
    message: dict[str, Any] = {"role": "assistant"}
    if content:
        message["content"] = content
    if said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    return {"id": "co-9", "message": message, "finish_reason": _finish(said), "usage": said.usage or _PLAIN_USAGE}


def _event(kind: str, index: int | None = None, **message: Any) -> bytes:
    value: dict[str, Any] = {"type": kind}
    if index is not None:
        value["index"] = index
    if message:
        value["delta"] = {"message": message}
    return sse(value, kind)


def _content(kind: str, index: int, text: str) -> list[bytes]:
    return [
        _event("content-start", index, content={"type": kind, kind: ""}),
        *[_event("content-delta", index, content={kind: piece}) for piece in pieces(text)],
        _event("content-end", index),
    ]


def _tool_events(index: int, call: Any) -> list[bytes]:
    opened = _call(call)
    opened["function"]["arguments"] = ""
    return [
        _event("tool-call-start", index, tool_calls=opened),
        *[
            _event("tool-call-delta", index, tool_calls={"function": {"arguments": piece}})
            for piece in pieces(call.text)
        ],
        _event("tool-call-end", index),
    ]


def _stream(said: Said) -> Stream:
    frames = [
        sse({"type": "message-start", "id": "co-9", "delta": {"message": {"role": "assistant"}}}, "message-start")
    ]
    if said.reasoning:
        frames += _content("thinking", 0, said.reasoning)
    if said.text:
        frames += _content("text", 1 if said.reasoning else 0, said.text)
    for index, call in enumerate(said.calls):
        frames += _tool_events(index, call)
    end = {"finish_reason": _finish(said), "usage": said.usage or _PLAIN_USAGE}
    frames.append(sse({"type": "message-end", "delta": end}, "message-end"))
    return Stream(tuple(frames), len(frames) - 1)


def _embeddings(**kinds: Any) -> Any:
    return {"id": "em-9", "embeddings": kinds, "texts": [], "meta": _META, "response_type": "embeddings_by_type"}


def _base64(vectors: list[list[float]]) -> Any:
    return _embeddings(
        base64=[base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() for vector in vectors]
    )


def _ranking(pairs: list[tuple[int, float]]) -> Any:
    rows = [{"index": index, "relevance_score": score} for index, score in pairs]
    return {"id": "rr-9", "results": rows, "meta": {"billed_units": {"search_units": 1}}}


def sample(_: Any) -> WireSample:
    """Cohere."""
    unfinished = _whole(Said(text="Half an ans"))
    del unfinished["finish_reason"]
    return WireSample(
        model="command-a-reasoning-08-2025",
        error=lambda message: {"id": "er-9", "message": message},
        chat=ChatSample(
            whole=_whole,
            stream=_stream,
            stream_error=sse({"type": "message-end", "delta": {"finish_reason": "ERROR"}}, "message-end"),
            error_class=ServerError,
            unfinished=unfinished,
            finish={"MAX_TOKENS": "length", "STOP_SEQUENCE": "stop", "ERROR_TOXIC": "content_filter"},
            usage=_USAGE,
            counts=_COUNTS,
        ),
        embed=EmbedSample(
            whole=lambda vectors: _embeddings(float=vectors),
            same=(_base64,),
            counts=Usage(input_tokens=7, raw=_META),
        ),
        rerank=RerankSample(whole=_ranking, counts=Usage(search_units=1.0, raw={"billed_units": {"search_units": 1}})),
        embed_model="embed-v4.0",
        rerank_model="rerank-v3.5",
        statuses={498: ContentFiltered},
    )
