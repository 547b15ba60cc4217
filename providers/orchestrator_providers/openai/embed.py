"""Embeddings over `POST /embeddings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, EmbedResult, InputType, Vector
from orchestrator_providers.openai.errors import embedded_error, reply_error
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.usage import read_usage
from orchestrator_providers.openai.writing import endpoint, write_json
from orchestrator_providers.shared.packed import packed_float32, packed_int8
from orchestrator_providers.shared.reading import label, read_object, vector

__all__ = ["OpenAIEmbed"]


class OpenAIEmbed:
    """See `Codec`."""

    __slots__ = ("_kind", "_model", "_quirks", "_refused", "_url", "batch")

    def __init__(self, target: Target) -> None:
        quirks: Quirks = target.profile.quirks
        self._kind = target.profile.kind
        self._quirks = quirks
        self._model = target.model
        self.batch = quirks.embed_batch
        self._refused = target.model_profile.refuses
        self._url = endpoint(target.base_url, quirks.default_path, quirks.embed_path)

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`."""
        warnings: list[CallWarning] = []
        body: dict[str, Any] = {"model": self._model, "input": request.texts, **self._quirks.embed_fields}
        if self._quirks.base64_embeddings:
            body[self._quirks.base64_field] = "base64"
        self._options(request.options, body, warnings)
        return Encoded(HttpRequest(self._url, write_json(body)), tuple(warnings))

    def _options(self, options: EmbedOptions, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        if options.dimensions is not None:
            body[self._quirks.dimensions_field] = options.dimensions
        if options.input_type is not None:
            self._input_type(options.input_type, body, warnings)
        if options.provider_options is not None:
            body.update(options.provider_options.get(self._kind, {}))

    def _input_type(self, name: InputType, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        value = self._quirks.input_types.get(name)
        if value is not None and "input_type" not in self._refused:
            body[self._quirks.input_type_field] = value
        else:
            message = f"left out: this model of {self._kind} does not take {name!r}"
            warnings.append(CallWarning("unsupported", "input_type", message))

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`. The vectors come in the order of the texts, whatever the vendor's order."""
        body = read_object(reply.body)
        if body.get("error") or body.get("object") == "error":
            raise embedded_error(reply.body, reply.headers, self._quirks)
        rows = body.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise MalformedReply("the reply has no embeddings")
        return EmbedResult(
            vectors=[self._vector(row) for row in _in_order(rows)],
            usage=read_usage(body, self._quirks),
            response_id=label(body.get("id")),
            model=label(body.get("model")),
        )

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply, self._quirks)

    def _vector(self, row: Mapping[str, Any]) -> Vector:
        value = row.get("embedding")
        if isinstance(value, list):
            return vector(value)
        if not isinstance(value, str):
            raise MalformedReply("an embedding is neither numbers nor base64")
        try:
            return packed_int8(value) if self._quirks.int8_embeddings else packed_float32(value)
        except ValueError:
            raise MalformedReply("an embedding is not base64 of whole numbers") from None


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        numbered = {row.get("index"): row for row in rows}
        # Without numbers the order itself is the vendor's word.
        return rows if numbered.keys() == {None} else [numbered[n] for n in range(len(rows))]
    except (KeyError, TypeError) as error:
        raise MalformedReply("the embeddings are not numbered from 0 without gaps") from error
