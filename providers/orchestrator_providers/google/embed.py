"""Embeddings: `batchEmbedContents` and `embedContent` for Gemini models, Vertex's `predict` for those before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, EmbedResult, InputType
from orchestrator_providers.google.address import endpoint, resource
from orchestrator_providers.google.errors import read_failure
from orchestrator_providers.google.profile import VERTEX
from orchestrator_providers.google.replies import read_reply
from orchestrator_providers.google.usage import read_embed_usage
from orchestrator_providers.shared.reading import mapping, vector
from orchestrator_providers.shared.writing import write_json

__all__ = ["GoogleEmbed"]

_TASK_TYPES: Mapping[InputType, str] = {
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "document": "RETRIEVAL_DOCUMENT",
    "query": "RETRIEVAL_QUERY",
}
# From its second generation on the model takes no task type: the vendor documents these words before the text.
_INSTRUCTIONS: Mapping[InputType, str] = {
    "classification": "task: classification | query: ",
    "clustering": "task: clustering | query: ",
    "document": "title: none | text: ",
    "query": "task: search result | query: ",
}
_FULL_LENGTH = 3072
_UNNORMALISED = "this model gives vectors shorter than 3072 without unit length: compare them by cosine"


class GoogleEmbed:
    """Embeddings of one deployment.

    Vectors are the vendor's own. `gemini-embedding-001` gives unit length at its full 3072 numbers only, later models
    at every length.
    """

    __slots__ = ("_kind", "_model", "_predicts", "_target", "batch")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._kind = target.profile.kind
        self._model = target.model.rpartition("/")[2]
        self._predicts = self._kind == VERTEX.kind and "gemini" not in self._model
        self.batch: int | None = 250 if self._predicts else 100

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`."""
        options = request.options
        extra = dict((options.provider_options or {}).get(self._kind) or {})
        if self._predicts:
            method, body = "predict", _predict_body(request, extra)
        elif self._kind == VERTEX.kind:
            method, body = self._vertex_body(request, extra)
        else:
            method = "batchEmbedContents"
            body = {"requests": [self._one(text, options, extra) for text in request.texts]}
        return Encoded(HttpRequest(endpoint(self._target, method), write_json(body)), self._warnings(options))

    def _one(self, text: str, options: EmbedOptions, extra: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": resource(self._target), **self._content(text, options), **self._config(options), **extra}

    def _vertex_body(self, request: EmbedRequest, extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        options = request.options
        config = {**self._config(options), **extra}
        settings = {"embedContentConfig": config} if config else {}
        contents = [self._content(text, options) | settings for text in request.texts]
        if len(contents) == 1:
            return "embedContent", contents[0]
        name = resource(self._target)
        return "batchEmbedContents", {"requests": [{"model": name, **content} for content in contents]}

    def _content(self, text: str, options: EmbedOptions) -> dict[str, Any]:
        instructed = options.input_type is not None and not self._has_task_type()
        written = _INSTRUCTIONS[options.input_type] + text if instructed and options.input_type else text
        return {"content": {"parts": [{"text": written}]}}

    def _config(self, options: EmbedOptions) -> dict[str, Any]:
        config: dict[str, Any] = {}
        if options.input_type is not None and self._has_task_type():
            config["taskType"] = _TASK_TYPES[options.input_type]
        if options.dimensions is not None:
            config["outputDimensionality"] = options.dimensions
        return config

    def _has_task_type(self) -> bool:
        return not self._model.startswith("gemini-embedding-") or self._model.startswith("gemini-embedding-001")

    def _warnings(self, options: EmbedOptions) -> tuple[CallWarning, ...]:
        shortened = options.dimensions is not None and options.dimensions < _FULL_LENGTH
        if shortened and self._model.startswith("gemini-embedding-001"):
            return (CallWarning("compatibility", "dimensions", _UNNORMALISED),)
        return ()

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`. The vendor's answers name no model."""
        body = read_reply(reply)
        try:
            found = _embeddings(body)
            return EmbedResult(
                vectors=[vector(one["values"]) for one in found],
                usage=read_embed_usage(body),
                warnings=_truncations(found, body),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MalformedReply("the reply holds no embeddings") from error

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)


def _predict_body(request: EmbedRequest, extra: Mapping[str, Any]) -> dict[str, Any]:
    options = request.options
    task = {"task_type": _TASK_TYPES[options.input_type]} if options.input_type is not None else {}
    parameters = {"outputDimensionality": options.dimensions} if options.dimensions is not None else {}
    parameters |= dict(extra.get("parameters") or {})
    body: dict[str, Any] = {"instances": [{"content": text, **task} for text in request.texts], **extra}
    return body | ({"parameters": parameters} if parameters else {})


def _embeddings(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects that hold `values`, from any of the three methods."""
    if "predictions" in body:
        return [one["embeddings"] for one in body["predictions"]]
    return [body["embedding"]] if "embedding" in body else list(body["embeddings"])


def _truncations(found: list[Mapping[str, Any]], body: Mapping[str, Any]) -> tuple[CallWarning, ...]:
    cut = sum(bool(mapping(one.get("statistics")).get("truncated")) for one in found) or int(
        bool(body.get("truncated"))
    )
    if not cut:
        return ()
    return (CallWarning("other", "texts", f"the vendor embedded only the beginning of {cut} of the texts: too long"),)
