"""`POST {base}/v2/rerank`."""

from __future__ import annotations

from typing import Any

import orjson

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.retrieval import RerankItem, RerankRequest, RerankResult
from orchestrator_providers.cohere.errors import read_failure
from orchestrator_providers.cohere.profile import KIND, endpoint
from orchestrator_providers.cohere.usage import read_rerank_usage
from orchestrator_providers.shared.reading import integer, label, read_object

__all__ = ["CohereRerank"]


class CohereRerank:
    """Reranking of one deployment."""

    __slots__ = ("_model", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "rerank")
        self._model = target.model

    def encode(self, request: RerankRequest) -> Encoded:
        """See `Codec.encode`."""
        options = request.options
        body: dict[str, Any] = {"model": self._model, "query": request.query, "documents": request.documents}
        if options.top_n is not None:
            body["top_n"] = options.top_n
        if options.provider_options:
            body.update(options.provider_options.get(KIND) or {})
        return Encoded(HttpRequest(self._url, orjson.dumps(body)))

    def decode(self, reply: HttpReply) -> RerankResult:
        """See `Codec.decode`. Results stay in the vendor's order, best first; its answers name no model."""
        body = read_object(reply.body)
        try:
            items = [_item(row) for row in body["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedReply("the reply holds no ranking") from error
        return RerankResult(
            results=tuple(items), usage=read_rerank_usage(body.get("meta")), response_id=label(body.get("id"))
        )

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)


def _item(row: Any) -> RerankItem:
    index = integer(row["index"])
    if index is None or index < 0:
        raise ValueError("a place in the caller's list expected")
    return RerankItem(index, float(row["relevance_score"]))
