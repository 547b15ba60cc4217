"""`POST {base}/v2/embed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, Vector
from orchestrator_providers.cohere.errors import read_failure
from orchestrator_providers.cohere.profile import KIND, endpoint, has_dimensions
from orchestrator_providers.cohere.usage import read_embed_usage
from orchestrator_providers.shared.packed import packed_float32
from orchestrator_providers.shared.reading import label, read_object, vector

__all__ = ["CohereEmbed"]

_INPUT_TYPES = {
    None: "search_document",  # the vendor requires one; texts are embedded to be found more often than to find
    "classification": "classification",
    "clustering": "clustering",
    "document": "search_document",
    "query": "search_query",
}


class CohereEmbed:
    """Embeddings of one deployment."""

    batch: int | None = 96

    __slots__ = ("_has_dimensions", "_model", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "embed")
        self._model = target.model
        self._has_dimensions = has_dimensions(target.model)

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`."""
        options = request.options
        body: dict[str, Any] = {
            "model": self._model,
            "texts": request.texts,
            "input_type": _INPUT_TYPES[options.input_type],
            "embedding_types": ["float"],
        }
        warnings: tuple[CallWarning, ...] = ()
        if options.dimensions is not None:
            if self._has_dimensions:
                body["output_dimension"] = options.dimensions
            else:
                warnings = (CallWarning("unsupported", "dimensions", "the model's vectors have one length only"),)
        if options.provider_options:
            body.update(options.provider_options.get(KIND) or {})
        return Encoded(HttpRequest(self._url, orjson.dumps(body)), warnings)

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`. The vendor's answers name no model."""
        body = read_object(reply.body)
        try:
            return EmbedResult(
                vectors=_read_vectors(body["embeddings"]),
                usage=read_embed_usage(body.get("meta")),
                response_id=label(body.get("id")),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MalformedReply("the reply holds no embeddings") from error

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)


def _read_vectors(found: Any) -> list[Vector]:
    """Vectors from a list, as v1 may give them, or from an object with a list per type, of which the best counts."""
    if isinstance(found, list):
        return _checked(found)
    if not isinstance(found, Mapping):
        raise TypeError("a list or an object expected")
    kinds = [kind for kind in ("float", "base64", *found) if found.get(kind) is not None]
    if not kinds:
        raise ValueError("no embeddings of any type")
    vectors = found[kinds[0]]
    return [packed_float32(text) for text in vectors] if kinds[0] == "base64" else _checked(vectors)


def _checked(vectors: list[Any]) -> list[Vector]:
    return [vector(value) for value in vectors]
