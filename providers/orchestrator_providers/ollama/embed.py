"""`POST {base}/api/embed`."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedRequest, EmbedResult
from orchestrator_providers.ollama.errors import embedded_failure, read_failure
from orchestrator_providers.ollama.profile import endpoint
from orchestrator_providers.ollama.settings import write_extra
from orchestrator_providers.ollama.usage import read_usage
from orchestrator_providers.shared.reading import label, read_object, vector
from orchestrator_providers.shared.writing import write_json

__all__ = ["OllamaEmbed"]


class OllamaEmbed:
    """Embeddings of one deployment. Vectors have length 1."""

    __slots__ = ("_model", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "embed")
        self._model = target.model

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`.

        A text that is longer than the context is refused: the server's own default is to embed its beginning and say
        nothing. `provider_options: {ollama: {truncate: true}}` brings that back.
        """
        options = request.options
        body: dict[str, Any] = {"model": self._model, "input": request.texts, "truncate": False}
        warnings: tuple[CallWarning, ...] = ()
        if options.dimensions is not None:
            body["dimensions"] = options.dimensions
        if options.input_type is not None:
            message = "left out: Ollama embeds all texts alike; what a model wants before them is up to the caller"
            warnings = (CallWarning("unsupported", "input_type", message),)
        write_extra(options.provider_options, body)
        return Encoded(HttpRequest(self._url, write_json(body)), warnings)

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`."""
        body = read_object(reply.body)
        if body.get("error"):
            raise embedded_failure(body)
        found = body.get("embeddings")
        if not isinstance(found, list):
            raise MalformedReply("the reply has no embeddings")
        return EmbedResult(
            vectors=[vector(one) for one in found], usage=read_usage(body), model=label(body.get("model"))
        )

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)
