"""Bedrock's Converse, with a Claude behind it, and Cohere's models by InvokeModel."""

from __future__ import annotations

import base64
import struct
from typing import Any

from wire_sample import ChatSample, EmbedSample, RerankSample, Said, Stream, WireSample, eventstream, pieces

from orchestrator.types.usage import Usage

__all__ = ["blocks", "event", "sample", "stream", "whole"]

_USAGE = {
    "inputTokens": 10,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 20,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 12}, {"ttl": "1h", "inputTokens": 8}],
    "outputTokens": 40,
    "totalTokens": 130,
}
_COUNTS = Usage(
    input_tokens=90,
    output_tokens=40,
    cache_read_tokens=60,
    cache_write_tokens=20,
    cache_write_1h_tokens=8,
    raw=_USAGE,
)
_PLAIN_USAGE = {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}


def event(kind: str, **value: Any) -> bytes:
    """A message of the stream."""
    return eventstream(value, message_type="event", event_type=kind, content_type="application/json")


def _finish(said: Said) -> str:
    return said.finish or ("tool_use" if said.calls else "end_turn")


def blocks(said: Said) -> list[dict[str, Any]]:
    """The content of an answer."""
    found: list[dict[str, Any]] = []
    if said.reasoning:
        thought = {"text": said.reasoning, "signature": "c2lnbmF0dXJl"}
        found.append({"reasoningContent": {"reasoningText": thought}})
    if said.text:
        found.append({"text": said.text})
    found += [{"toolUse": {"toolUseId": c.id, "name": c.name, "input": dict(c.arguments)}} for c in said.calls]
    return found


def whole(said: Said) -> dict[str, Any]:
    """An answer."""
    return {
        "metrics": {"latencyMs": 9},
        "output": {"message": {"role": "assistant", "content": blocks(said)}},
        "stopReason": _finish(said),
        "usage": said.usage or _PLAIN_USAGE,
    }


def _deltas(block: dict[str, Any], arguments: str) -> list[dict[str, Any]]:
    if "text" in block:
        return [{"text": piece} for piece in pieces(block["text"])]
    if "toolUse" in block:
        return [{"toolUse": {"input": piece}} for piece in pieces(arguments)]
    thought = block["reasoningContent"]["reasoningText"]
    shown = [{"reasoningContent": {"text": piece}} for piece in pieces(thought["text"])]
    return [*shown, {"reasoningContent": {"signature": thought["signature"]}}]


def stream(said: Said) -> Stream:
    """The same answer as a stream; with the stop reason it is complete."""
    frames = [event("messageStart", role="assistant")]
    arguments = iter([call.text for call in said.calls])
    for index, block in enumerate(blocks(said)):
        if "toolUse" in block:
            start = {key: value for key, value in block["toolUse"].items() if key != "input"}
            frames.append(event("contentBlockStart", contentBlockIndex=index, start={"toolUse": start}))
        text = next(arguments) if "toolUse" in block else ""
        frames += [
            event("contentBlockDelta", contentBlockIndex=index, delta=delta, p="ab") for delta in _deltas(block, text)
        ]
        frames.append(event("contentBlockStop", contentBlockIndex=index))
    frames.append(event("messageStop", stopReason=_finish(said)))
    frames.append(event("metadata", usage=said.usage or _PLAIN_USAGE, metrics={"latencyMs": 9}, p="abc"))
    return Stream(tuple(frames), len(frames) - 2)


def _embeddings(**kinds: Any) -> Any:
    return {"id": "em-9", "embeddings": kinds, "texts": [], "response_type": "embeddings_by_type"}


def _base64(vectors: list[list[float]]) -> Any:
    packed = [base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() for vector in vectors]
    return _embeddings(base64=packed)


def sample(_: Any) -> WireSample:
    """Bedrock."""
    unfinished = whole(Said(text="Half an ans"))
    del unfinished["stopReason"]
    return WireSample(
        model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        error=lambda message: {"message": message},
        chat=ChatSample(
            whole=whole,
            stream=stream,
            stream_error=eventstream(
                {"message": "busy"}, message_type="exception", exception_type="serviceUnavailableException"
            ),
            unfinished=unfinished,
            finish={
                "content_filtered": "content_filter",
                "guardrail_intervened": "content_filter",
                "malformed_tool_use": "error",
                "max_tokens": "length",
                "stop_sequence": "stop",
            },
            usage=_USAGE,
            counts=_COUNTS,
        ),
        embed=EmbedSample(
            whole=lambda vectors: _embeddings(float=vectors),
            same=(_base64, lambda vectors: {"id": "em-9", "embeddings": vectors, "texts": []}),
        ),
        rerank=RerankSample(
            whole=lambda pairs: {
                "results": [{"index": index, "relevance_score": score} for index, score in pairs],
            }
        ),
        embed_model="cohere.embed-v4:0",
        rerank_model="cohere.rerank-v3-5:0",
        settings={"region": "us-east-1"},
    )
