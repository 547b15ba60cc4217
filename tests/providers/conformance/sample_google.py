"""A vendor of Gemini's shapes: whole responses with some parts each, and no end but that of the body."""

from __future__ import annotations

from typing import Any

from wire_sample import ChatSample, EmbedSample, Said, Stream, WireSample, pieces, sse

from orchestrator.spec.provider import Profile
from orchestrator.types.usage import Usage

__all__ = ["sample"]

_USAGE = {
    "promptTokenCount": 80,
    "toolUsePromptTokenCount": 10,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 16,
    "thoughtsTokenCount": 24,
    "totalTokenCount": 130,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "AUDIO", "tokenCount": 10}],
    "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}, {"modality": "TEXT", "tokenCount": 10}],
}
_COUNTS = Usage(
    input_tokens=90,
    output_tokens=40,
    cache_read_tokens=60,
    reasoning_tokens=24,
    input_audio_tokens=10,
    output_audio_tokens=6,
    raw=_USAGE,
)
_PLAIN_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
_FINISH: dict[str, Any] = {"MAX_TOKENS": "length", "SAFETY": "content_filter", "MALFORMED_FUNCTION_CALL": "error"}


def _chunk(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **more}
    return {"candidates": [candidate], "responseId": "resp-9", "modelVersion": "gemini-9"}


def _calls(said: Said) -> list[dict[str, Any]]:
    return [{"functionCall": {"id": c.id, "name": c.name, "args": dict(c.arguments)}} for c in said.calls]


def _last(said: Said, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return _chunk(parts, finishReason=said.finish or "STOP") | {"usageMetadata": said.usage or _PLAIN_USAGE}


def _whole(said: Said) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": said.reasoning, "thought": True}] if said.reasoning else []
    parts += [{"text": said.text}] if said.text else []
    return _last(said, [*parts, *_calls(said)])


def _stream(said: Said) -> Stream:
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in pieces(said.reasoning)]
    parts += [{"text": piece} for piece in pieces(said.text)]
    frames = [sse(_chunk([part])) for part in [*parts, *_calls(said)]]
    return Stream((*frames, sse(_last(said, [{"text": ""}]))), len(frames))


def _error(code: int, status: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "The model is overloaded.", "status": status}}


def _embeddings(profile: Profile) -> EmbedSample:
    def plain(vectors: list[list[float]]) -> Any:
        found = [{"values": vector} for vector in vectors]
        return {"embeddings": found, "usageMetadata": {"promptTokenCount": 7}}

    def predictions(vectors: list[list[float]]) -> Any:
        return {"predictions": [{"embeddings": {"values": v, "statistics": {"token_count": 7}}} for v in vectors]}

    if profile.kind == "google":
        return EmbedSample(whole=plain, counts=Usage(input_tokens=7, raw={"promptTokenCount": 7}))
    counted = Usage(input_tokens=28, raw={"statistics": [{"token_count": 7}] * 4})
    return EmbedSample(whole=predictions, counts=counted)


def sample(profile: Profile) -> WireSample:
    """The Gemini API and Vertex AI."""
    unfinished = _chunk([{"text": "Half an ans"}])
    vertex = profile.kind == "vertex"
    return WireSample(
        model="gemini-9-pro",
        error=lambda message: {"error": {"message": message}},
        chat=ChatSample(
            whole=_whole,
            stream=_stream,
            stream_error=sse(_error(503, "UNAVAILABLE")),
            unfinished=unfinished,
            finish=_FINISH,
            other_finish="BRAND_NEW_REASON",
            usage=_USAGE,
            counts=_COUNTS,
            ends_with_body=True,
        ),
        embed=_embeddings(profile),
        embed_model="text-embedding-005" if vertex else "gemini-embedding-001",
        settings={"project": "a-project", "location": "europe-west4"} if vertex else {},
    )
