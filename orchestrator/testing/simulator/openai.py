"""OpenAI's API: chat completions and embeddings, and rerank as Jina, vLLM and others add it to that API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from orchestrator.testing.simulator.asks import (
    Ask,
    ChatMade,
    Complaints,
    Dimension,
    EmbedAsk,
    EmbedMade,
    Frames,
    Level,
    Made,
    Refused,
    RerankAsk,
    RerankMade,
)
from orchestrator.testing.simulator.checks import expect, integer, known_fields, text_of
from orchestrator.testing.simulator.openai_chat import UNKNOWN_FIELD, chat_frames, completion, event, read_chat
from orchestrator.testing.simulator.vectors import packed
from orchestrator.types.call import Task

__all__ = ["OpenAIShape"]

_TASKS: dict[str, Task] = {
    "/v1/chat/completions": "chat",
    "/v1/embeddings": "embed",
    "/v1/rerank": "rerank",
    "/v2/rerank": "rerank",
    "/rerank": "rerank",
}
_EMBED_FIELDS = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
_TYPES = {
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", "server_is_overloaded"),
}

_COMPLAINTS: Complaints = {
    "bad_json": (400, "The body of the request is not valid JSON.", None),
    "missing_key": (401, "No API key was provided: send it as 'Authorization: Bearer KEY'.", None),
    "no_such_path": (404, "Unknown request URL: {method} {path}.", "unknown_url"),
    "rate_limit": (429, "Rate limit reached: limit {limit} {dimension}. {advice}", "rate_limit_exceeded"),
    "too_big": (429, "Request too large: limit {limit} {dimension}.", "rate_limit_exceeded"),
    "too_long": (
        400,
        "The maximum context length is {limit} tokens, {tokens} were asked for.",
        "context_length_exceeded",
    ),
    "too_many": (429, "Too many requests at the same time: limit {limit}.", "rate_limit_exceeded"),
    "unknown_model": (
        404,
        "The model `{model}` does not exist or you do not have access to it.",
        "model_not_found",
    ),
    "wrong_key": (401, "Incorrect API key provided.", "invalid_api_key"),
}


class OpenAIShape:
    """See `WireShape`."""

    name = "openai"
    keepalive = b": keep-alive\n\n"
    bills_cache_writes = False
    complaints = _COMPLAINTS

    def task(self, path: str) -> Task | None:
        """See `WireShape.task`."""
        return _TASKS.get(path)

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """See `WireShape.credential`. Azure's header is taken too."""
        kind, _, key = headers.get("authorization", "").partition(" ")
        return (key.strip() if kind.lower() == "bearer" else None) or headers.get("api-key")

    def read(self, task: Task, body: dict[str, Any]) -> Ask:
        """See `WireShape.read`."""
        expect(isinstance(body.get("model"), str) and body["model"], "you must provide a model parameter")
        match task:
            case "chat":
                return read_chat(body)
            case "embed":
                return _read_embed(body)
            case _:
                return _read_rerank(body)

    def write(self, made: Made) -> tuple[bytes, str | None]:
        """See `WireShape.write`."""
        match made:
            case ChatMade():
                body = completion(made)
            case EmbedMade():
                body = _embeddings(made)
            case RerankMade():
                body = _ranking(made)
        return orjson.dumps(body), body.get("id")

    def frames(self, made: ChatMade) -> tuple[Frames, str]:
        """See `WireShape.frames`."""
        return chat_frames(made)

    def refusal(self, refused: Refused, request_id: str) -> bytes:
        """See `WireShape.refusal`."""
        unlisted = ("server_error" if refused.status >= 500 else "invalid_request_error", None)
        kind, code = _TYPES.get(refused.status, unlisted)
        if refused.code == "insufficient_quota":
            kind = refused.code
        kind, code = refused.kind or kind, refused.code or code
        error = {"message": refused.message, "type": kind, "param": refused.param, "code": code}
        return orjson.dumps({"error": error})

    def stream_error(self, request_id: str) -> bytes:
        """See `WireShape.stream_error`."""
        message = "The server had an error while processing your request. Sorry about that!"
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        return event({"error": error})

    def models(self, names: Sequence[str]) -> bytes:
        """See `WireShape.models`."""
        rows = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "simulator"} for name in names]
        return orjson.dumps({"object": "list", "data": rows})

    def headers(self, request_id: str, levels: Mapping[Dimension, Level], now: float) -> dict[str, str]:
        """See `WireShape.headers`."""
        headers = {"x-request-id": request_id, "openai-version": "2020-10-01"}
        for name, level in levels.items():
            headers[f"x-ratelimit-limit-{name}"] = str(level.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
            headers[f"x-ratelimit-reset-{name}"] = _duration(level.reset_s)
        return headers


def _duration(seconds: float) -> str:
    """A Go duration: `6m0s`, `1.25s`, `20ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms" if seconds else "0s"
    minutes, rest = divmod(seconds, 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(minutes)}m{text}" if minutes else text


def _read_embed(body: dict[str, Any]) -> EmbedAsk:
    known_fields(body, _EMBED_FIELDS, UNKNOWN_FIELD)
    wanted = body.get("input")
    items: list[Any] = wanted if isinstance(wanted, list) and not _is_tokens(wanted) else [wanted]
    right = items and all((isinstance(item, str) and item) or _is_tokens(item) for item in items)
    expect(right, "'$.input' is invalid. Expected texts or arrays of tokens, none of them empty.")
    expect(len(items) <= 2048, "'$.input' is invalid: at most 2048 items.")
    form = body.get("encoding_format") or "float"
    expect(form in ("float", "base64"), "Invalid 'encoding_format'.", param="encoding_format")
    texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]
    return EmbedAsk(model=body["model"], texts=texts, dimensions=integer(body, "dimensions"), formats=(form,))


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, int) for item in value)


def _embeddings(made: EmbedMade) -> dict[str, Any]:
    vectors: Iterable[Any] = made.vectors
    if made.ask.formats == ("base64",):
        vectors = (packed(vector) for vector in made.vectors)
    rows = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(vectors)]
    tokens = made.usage.input_tokens
    body: dict[str, Any] = {
        "object": "list",
        "data": [] if made.flaw == "no_choices" else rows,
        "model": made.model,
    }
    return body if made.flaw == "no_usage" else body | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _read_rerank(body: dict[str, Any]) -> RerankAsk:
    expect(isinstance(body.get("query"), str) and body["query"], "query: field required", param="query")
    documents = body.get("documents")
    expect(isinstance(documents, list) and documents, "documents: field required", param="documents")
    return RerankAsk(
        model=body["model"],
        query=body["query"],
        documents=[item if isinstance(item, str) else text_of([item], "text") for item in documents or ()],
        top_n=integer(body, "top_n"),
        return_documents=bool(body.get("return_documents")),
    )


def _ranking(made: RerankMade) -> dict[str, Any]:
    results = []
    for index, score in () if made.flaw == "no_choices" else made.ranking:
        document = {"document": {"text": made.ask.documents[index]}} if made.ask.return_documents else {}
        results.append({"index": index, "relevance_score": score, **document})
    body = {"id": f"rerank-{made.number}", "model": made.model, "results": results}
    tokens = made.usage.input_tokens
    return body if made.flaw == "no_usage" else body | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
