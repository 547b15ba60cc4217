"""Embeddings over `POST /embed`."""

from __future__ import annotations

from array import array
from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, EmbedResult
from orchestrator_providers.shared.reading import read_json
from orchestrator_providers.shared.writing import write_json
from orchestrator_providers.tei.errors import reply_error
from orchestrator_providers.tei.profile import KIND, PROMPTS
from orchestrator_providers.tei.usage import read_usage

__all__ = ["TeiEmbed"]


class TeiEmbed:
    """See `Codec`."""

    __slots__ = ("_settings", "_url")

    def __init__(self, target: Target) -> None:
        self._url = f"{target.base_url}/embed"
        self._settings = target.settings

    def encode(self, request: EmbedRequest) -> Encoded:
        """See `Codec.encode`.

        Vectors are normalised. Texts that are too long are cut or refused as the server was told to when it was
        started; `truncate` among the provider options overrides that.
        """
        warnings: list[CallWarning] = []
        body: dict[str, Any] = {"inputs": request.texts, "normalize": True}
        self._options(request.options, body, warnings)
        return Encoded(HttpRequest(self._url, write_json(body)), tuple(warnings))

    def _options(self, options: EmbedOptions, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        if options.dimensions is not None:
            body["dimensions"] = options.dimensions
        if options.input_type is not None:
            setting = PROMPTS[options.input_type]
            if setting in self._settings:
                body["prompt_name"] = self._settings[setting]
            else:
                message = f"left out: the provider's {setting!r} does not name the model's prompt for it"
                warnings.append(CallWarning("unsupported", "input_type", message))
        if options.provider_options is not None:
            body.update(options.provider_options.get(KIND, {}))

    def decode(self, reply: HttpReply) -> EmbedResult:
        """See `Codec.decode`."""
        rows = read_json(reply.body)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
            raise MalformedReply("the reply is no list of vectors")
        try:
            vectors = [array("f", row) for row in rows]
        except (TypeError, OverflowError) as error:
            raise MalformedReply("a vector holds something that is no number") from error
        return EmbedResult(vectors=vectors, usage=read_usage(reply.headers))

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply)
