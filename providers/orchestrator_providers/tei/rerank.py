"""Reranking over `POST /rerank`."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.retrieval import RerankItem, RerankRequest, RerankResult
from orchestrator_providers.shared.reading import integer, read_json
from orchestrator_providers.shared.writing import write_json
from orchestrator_providers.tei.errors import reply_error
from orchestrator_providers.tei.profile import KIND
from orchestrator_providers.tei.usage import read_usage

__all__ = ["TeiRerank"]


class TeiRerank:
    """See `Codec`."""

    __slots__ = ("_url",)

    def __init__(self, target: Target) -> None:
        self._url = f"{target.base_url}/rerank"

    def encode(self, request: RerankRequest) -> Encoded:
        """See `Codec.encode`. The server always ranks all documents; the caller's `top_n` is cut from its answer."""
        body: dict[str, Any] = {
            "query": request.query,
            "texts": request.documents,
            "raw_scores": False,
            "return_text": False,
        }
        if request.options.provider_options is not None:
            body.update(request.options.provider_options.get(KIND, {}))
        return Encoded(HttpRequest(self._url, write_json(body)))

    def decode(self, reply: HttpReply) -> RerankResult:
        """See `Codec.decode`. Scores lie between 0 and 1 unless raw ones were asked for."""
        rows = read_json(reply.body)
        if not isinstance(rows, list):
            raise MalformedReply("the reply is no list of ranks")
        items = sorted([_item(row) for row in rows], key=lambda item: -item.score)
        return RerankResult(results=tuple(items), usage=read_usage(reply.headers))

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply)


def _item(row: Any) -> RerankItem:
    index = integer(row.get("index")) if isinstance(row, dict) else None
    score = row.get("score") if isinstance(row, dict) else None
    if index is None or index < 0 or isinstance(score, bool) or not isinstance(score, int | float):
        raise MalformedReply("a rank has no index or no score")
    return RerankItem(index, float(score))
