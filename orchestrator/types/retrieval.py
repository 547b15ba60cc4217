"""Embeddings and reranking."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from orchestrator.types.call import CallWarning, Reply
from orchestrator.types.elsewhere import Elsewhere
from orchestrator.types.usage import Usage
from orchestrator.types.values import value

__all__ = [
    "EmbedOptions",
    "EmbedReply",
    "EmbedRequest",
    "EmbedResult",
    "InputType",
    "RerankItem",
    "RerankOptions",
    "RerankReply",
    "RerankRequest",
    "RerankResult",
    "Vector",
]

InputType = Literal["query", "document", "classification", "clustering"]
"""What the texts are for; vendors that embed queries and documents differently need it."""

Vector: TypeAlias = "list[float] | array[float]"
"""One embedding as a codec decodes it: a list of numbers, or a float32 array where the vendor sent bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """Settings of one embedding call; None means the model's own default."""

    dimensions: int | None = None
    input_type: InputType | None = None
    provider_options: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """Texts to embed, in order. Its repr does not show them."""

    texts: tuple[str, ...] = field(repr=False)
    options: EmbedOptions = EmbedOptions()


@value(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """What one deployment answered: one vector per text, in the texts' order."""

    vectors: Sequence[Vector] = field(repr=False)
    usage: Usage | None = None
    response_id: str | None = None
    model: str | None = None
    warnings: tuple[CallWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmbedReply(Reply):
    """The answer to `embed`. `space` names the vector space: vectors of two spaces must never share an index.

    Example:
        >>> reply = llm.embed("search", ["single sign-on", "invoices"])
        >>> len(reply.vectors), reply.dimensions, len(reply.array)
        (2, 8, 16)
    """

    _elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("data", "embedding", "embeddings"), "did you mean 'vectors'?")
    }

    space: str
    dimensions: int
    raw_vectors: Sequence[Vector] = field(repr=False)

    @property
    def vectors(self) -> list[list[float]]:
        """One list of `dimensions` numbers per text, in the texts' order."""
        return [v if isinstance(v, list) else v.tolist() for v in self.raw_vectors]

    @property
    def array(self) -> array[float]:
        """All vectors one after the other as float32: `len(texts) * dimensions` numbers, fit for `numpy.frombuffer`."""
        flat = array("f")
        for vector in self.raw_vectors:
            flat.extend(vector)
        return flat

    def _content(self) -> str:
        return f"{len(self.raw_vectors)} vectors in {self.space}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankOptions:
    """Settings of one rerank call."""

    top_n: int | None = None
    provider_options: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """Documents to order by how well they answer the query. Its repr shows neither."""

    query: str = field(repr=False)
    documents: tuple[str, ...] = field(repr=False)
    options: RerankOptions = RerankOptions()


@dataclass(frozen=True, slots=True)
class RerankItem(Elsewhere):
    """A document's place in the caller's list and its score; higher is better, scales differ between models."""

    _elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("document", "text"), "write documents[item.index]"),
        "relevance_score": "did you mean 'score'?",
    }

    index: int
    score: float


@value(frozen=True, slots=True, kw_only=True)
class RerankResult:
    """What one deployment answered, best first."""

    results: tuple[RerankItem, ...]
    usage: Usage | None = None
    response_id: str | None = None
    model: str | None = None
    warnings: tuple[CallWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RerankReply(Reply):
    """The answer to `rerank`: at most `top_n` items, best first.

    Example:
        >>> documents = ["billing", "single sign-on"]
        >>> reply = llm.rerank("rank", query="sso", documents=documents)
        >>> [documents[item.index] for item in reply.results]
        ['single sign-on', 'billing']
    """

    results: tuple[RerankItem, ...]

    def _content(self) -> str:
        return f"{len(self.results)} results"
