"""A vendor of OpenAI's chat, embedding and rerank shapes, which every row of `vendors` shares."""

from __future__ import annotations

import base64
import struct
from typing import Any

from wire_sample import ChatSample, EmbedSample, RerankSample, Said, Stream, WireSample, pieces, sse

from orchestrator.spec.provider import Profile
from orchestrator.types.usage import Usage

__all__ = ["embed_sample", "sample"]

_USAGE = {
    "prompt_tokens": 90,
    "completion_tokens": 40,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 24, "audio_tokens": 4},
}
_COUNTS = Usage(
    input_tokens=90,
    output_tokens=40,
    cache_read_tokens=64,
    input_audio_tokens=8,
    reasoning_tokens=24,
    output_audio_tokens=4,
    raw=_USAGE,
)
_PLAIN_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def _finish(said: Said) -> str:
    return said.finish or ("tool_calls" if said.calls else "stop")


def _calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
        for call in said.calls
    ]


def _whole(said: Said) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.calls:
        message["tool_calls"] = _calls(said)
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "created": 1,
        "model": "model-9",
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(said)}],
        "usage": said.usage or _PLAIN_USAGE,
    }


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return sse(
        {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "model-9", "choices": choices}
        | more
    )


def _stream(said: Said) -> Stream:
    frames = [_chunk({"role": "assistant", "content": ""})]
    frames += [_chunk({"reasoning_content": piece}) for piece in pieces(said.reasoning)]
    frames += [_chunk({"content": piece}) for piece in pieces(said.text)]
    for index, call in enumerate(_calls(said)):
        arguments = call["function"].pop("arguments")
        frames.append(_chunk({"tool_calls": [{"index": index, **call}]}))
        for piece in pieces(arguments):
            frames.append(_chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    signal = len(frames)
    frames.append(_chunk({}, _finish(said)))
    frames.append(_chunk({}, choices=[], usage=said.usage or _PLAIN_USAGE))
    frames.append(sse("[DONE]"))
    return Stream(tuple(frames), signal)


def _unfinished() -> Any:
    body = _whole(Said(text="Half an ans"))
    del body["choices"][0]["finish_reason"]
    return body


def _embeddings(rows: list[dict[str, Any]]) -> Any:
    return {"object": "list", "model": "embed-9", "data": rows, "usage": {"prompt_tokens": 7, "total_tokens": 7}}


def _rows(vectors: list[list[float]]) -> list[dict[str, Any]]:
    return [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]


def _base64(vectors: list[list[float]]) -> Any:
    texts = [base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() for vector in vectors]
    return _embeddings([{"index": index, "embedding": text} for index, text in enumerate(texts)])


def _ranking(pairs: list[tuple[int, float]]) -> Any:
    rows = [{"index": index, "relevance_score": score} for index, score in pairs]
    return {"id": "rr-9", "model": "rank-9", "results": rows, "usage": {"total_tokens": 7}}


def embed_sample(profile: Profile) -> EmbedSample:
    """The embeddings of a vendor of this shape."""
    same = [lambda vectors: _embeddings(list(reversed(_rows(vectors))))]
    if not profile.quirks.int8_embeddings:
        same.append(_base64)
    counts = Usage(input_tokens=7, raw={"prompt_tokens": 7, "total_tokens": 7})
    return EmbedSample(whole=lambda vectors: _embeddings(_rows(vectors)), same=tuple(same), counts=counts)


def sample(profile: Profile) -> WireSample:
    """The sample of a vendor, by what its row says."""
    quirks = profile.quirks
    return WireSample(
        model="model-1",
        error=lambda message: {"error": {"message": message, "type": "some_error", "param": None, "code": None}},
        chat=ChatSample(
            whole=_whole,
            stream=_stream,
            stream_error=sse({"error": {"message": "busy", "type": "overloaded_error", "code": 503}}),
            unfinished=None if quirks.finish_optional else _unfinished(),
            finish={"length": "length", "content_filter": "content_filter"},
            usage=_USAGE,
            counts=_COUNTS,
        ),
        embed=embed_sample(profile),
        rerank=RerankSample(
            whole=_ranking,
            same=(lambda pairs: _ranking(list(reversed(pairs))),),
            counts=Usage(input_tokens=7, raw={"total_tokens": 7}),
        ),
        statuses={status: kind.cls for status, kind in quirks.statuses.items()},
    )
