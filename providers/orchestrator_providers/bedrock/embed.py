"""Embeddings by InvokeModel: Titan, Nova and Cohere, each in its own format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import orjson

from orchestrator.errors import MalformedReply, OrchestratorError, UnsupportedFeature
from orchestrator.spec.provider import Codec, Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, EmbedResult
from orchestrator_providers.bedrock.errors import read_failure
from orchestrator_providers.bedrock.profile import KIND, endpoint, short_name
from orchestrator_providers.bedrock.usage import read_header_usage
from orchestrator_providers.cohere.embed import CohereEmbed
from orchestrator_providers.shared.reading import read_object, vector
from orchestrator_providers.shared.writing import write_json

__all__ = ["CohereInvoke", "OneTextEmbed", "UnknownEmbed", "embed_codec"]

_Write: TypeAlias = "Callable[[str, str, EmbedOptions, list[CallWarning]], dict[str, Any]]"

_PURPOSES = {
    None: "GENERIC_INDEX",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "document": "GENERIC_INDEX",
    "query": "TEXT_RETRIEVAL",
}


class OneTextEmbed:
    """A model that takes one text in a request. `write` gives the body, `read` finds the vector in an answer's."""

    batch: int | None = 1

    __slots__ = ("_model", "_read", "_url", "_write")

    def __init__(self, target: Target, write: _Write, read: Callable[[Mapping[str, Any]], Any]) -> None:
        self._url = endpoint(target, "invoke")
        self._model = short_name(target.model)
        self._write = write
        self._read = read

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`.

        Raises:
            UnsupportedFeature: several texts; see `batch`.
        """
        if len(request.texts) != 1:
            raise UnsupportedFeature(f"{self._model} embeds one text per request, this one has {len(request.texts)}")
        warnings: list[CallWarning] = []
        body = self._write(self._model, request.texts[0], request.options, warnings)
        body.update((request.options.provider_options or {}).get(KIND) or {})
        return Encoded(HttpRequest(self._url, write_json(body)), tuple(warnings))

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`."""
        body = read_object(reply.body)
        try:
            found = vector(self._read(body))
        except (LookupError, TypeError, AttributeError) as error:
            raise MalformedReply("the reply holds no embedding") from error
        usage = read_header_usage(reply.headers, body.get("inputTextTokenCount"))
        return EmbedResult(vectors=[found], usage=usage)

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)


def _write_titan(model: str, text: str, options: EmbedOptions, warnings: list[CallWarning]) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": text}
    if options.dimensions is None:
        return body
    if "embed-image" in model:
        body["embeddingConfig"] = {"outputEmbeddingLength": options.dimensions}
    elif "-text-v2" in model:
        body["dimensions"] = options.dimensions
    else:
        warnings.append(CallWarning("unsupported", "dimensions", "the model's vectors have one length only"))
    return body


def _read_titan(body: Mapping[str, Any]) -> Any:
    return body["embedding"] if "embedding" in body else body["embeddingsByType"]["float"]


def _write_nova(model: str, text: str, options: EmbedOptions, warnings: list[CallWarning]) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "embeddingPurpose": _PURPOSES[options.input_type],
        "text": {"truncationMode": "NONE", "value": text},  # too long is an error, not half a vector
    }
    if options.dimensions is not None:
        wanted["embeddingDimension"] = options.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": wanted}


def _read_nova(body: Mapping[str, Any]) -> Any:
    return body["embeddings"][0]["embedding"]


class CohereInvoke:
    """Cohere's models, in its own format but for the model and the counts, which AWS keeps outside the body."""

    batch: int | None = 96

    __slots__ = ("_inner", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "invoke")
        # Cohere knows its models by other names: `embed-v4.0` is `cohere.embed-v4:0` here.
        name = short_name(target.model).removeprefix("cohere.")
        self._inner = CohereEmbed(replace(target, model=name.replace(":", ".") if ":" in name else f"{name}.0"))

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`."""
        own = (request.options.provider_options or {}).get(KIND) or {}
        options = replace(request.options, provider_options={"cohere": own})
        written = self._inner.encode(replace(request, options=options))
        body = orjson.loads(written.request.body)
        del body["model"]
        return Encoded(HttpRequest(self._url, write_json(body)), written.warnings)

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`."""
        return replace(self._inner.decode(reply), usage=read_header_usage(reply.headers))

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)


class UnknownEmbed:
    """A model that is not known to embed, or whose id does not say what it is: every request is refused."""

    __slots__ = ("_model",)

    def __init__(self, target: Target) -> None:
        self._model = target.model

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`."""
        raise UnsupportedFeature(f"the format in which {self._model!r} embeds cannot be told by its id")

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`."""
        raise MalformedReply("an answer to what was never asked")

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)


def embed_codec(target: Target) -> Codec[EmbedRequest, EmbedResult]:
    """The codec for the format of a deployment's model."""
    name = short_name(target.model)
    if name.startswith("cohere."):
        return CohereInvoke(target)
    if name.startswith("amazon.titan-embed"):
        return OneTextEmbed(target, _write_titan, _read_titan)
    if name.startswith("amazon.nova") and "embed" in name:
        return OneTextEmbed(target, _write_nova, _read_nova)
    return UnknownEmbed(target)
