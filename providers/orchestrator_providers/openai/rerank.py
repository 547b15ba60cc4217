"""Reranking over `POST /rerank`, the shape that Cohere began and Jina, Together, vLLM and llama.cpp share."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.retrieval import RerankItem, RerankRequest, RerankResult
from orchestrator_providers.openai.errors import embedded_error, reply_error
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.usage import read_usage
from orchestrator_providers.openai.writing import endpoint, write_json
from orchestrator_providers.shared.reading import integer, label, read_object

__all__ = ["OpenAIRerank"]


class OpenAIRerank:
    """See `Codec`."""

    __slots__ = ("_kind", "_model", "_quirks", "_url")

    def __init__(self, target: Target) -> None:
        quirks: Quirks = target.profile.quirks
        self._kind = target.profile.kind
        self._quirks = quirks
        self._model = target.model
        self._url = endpoint(target.base_url, quirks.default_path, quirks.rerank_path)

    def encode(self, request: RerankRequest) -> Encoded:
        """See `Codec.encode`."""
        options = request.options
        body: dict[str, Any] = {
            "model": self._model,
            "query": request.query,
            "documents": request.documents,
            **self._quirks.rerank_fields,
        }
        if options.top_n is not None:
            body[self._quirks.top_n_field] = options.top_n
        if options.provider_options is not None:
            body.update(options.provider_options.get(self._kind, {}))
        return Encoded(HttpRequest(self._url, write_json(body)))

    def decode(self, reply: HttpReply) -> RerankResult:
        """See `Codec.decode`. The results come best first, whatever the vendor's order."""
        body = read_object(reply.body)
        if body.get("error") or body.get("object") == "error":
            raise embedded_error(reply.body, reply.headers, self._quirks)
        rows = body["results"] if "results" in body else body.get("data")
        if not isinstance(rows, list):
            raise MalformedReply("the reply has no results")
        items = [_item(row) for row in rows]
        return RerankResult(
            results=tuple(sorted(items, key=lambda item: -item.score)),
            usage=read_usage(body, self._quirks),
            response_id=label(body.get("id")),
            model=label(body.get("model")),
        )

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply, self._quirks)


def _item(row: Any) -> RerankItem:
    index = integer(row.get("index")) if isinstance(row, dict) else None
    score = row.get("relevance_score", row.get("score")) if isinstance(row, dict) else None
    if index is None or index < 0 or isinstance(score, bool) or not isinstance(score, int | float):
        raise MalformedReply("a result has no index or no score")
    return RerankItem(index, float(score))
