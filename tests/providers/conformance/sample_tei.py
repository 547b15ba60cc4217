"""A text-embeddings-inference server: bare lists, counts in headers."""

from __future__ import annotations

from typing import Any

from wire_sample import EmbedSample, RerankSample, WireSample

from orchestrator.errors import InvalidRequest, Overloaded

__all__ = ["sample"]


def _ranking(pairs: list[tuple[int, float]]) -> Any:
    return [{"index": index, "score": score} for index, score in pairs]


def sample(_: Any) -> WireSample:
    """One server of each sort."""
    return WireSample(
        model="",
        error=lambda message: {"error": message, "error_type": "some_error"},
        embed=EmbedSample(whole=lambda vectors: vectors),
        rerank=RerankSample(whole=_ranking, same=(lambda pairs: _ranking(list(reversed(pairs))),), sends_top_n=False),
        statuses={413: InvalidRequest, 429: Overloaded},
    )
