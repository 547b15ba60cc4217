"""`POST {base}/v2/chat`, and what a deployment of this vendor can do."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Codecs, Encoded, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator_providers.cohere.embed import CohereEmbed
from orchestrator_providers.cohere.errors import read_failure
from orchestrator_providers.cohere.messages import write_history
from orchestrator_providers.cohere.profile import endpoint, reasons
from orchestrator_providers.cohere.replies import read_chat
from orchestrator_providers.cohere.rerank import CohereRerank
from orchestrator_providers.cohere.settings import Settings
from orchestrator_providers.cohere.stream import CohereDecoder
from orchestrator_providers.shared.reading import read_object
from orchestrator_providers.shared.writing import write_json

__all__ = ["CohereChat", "bind"]


class CohereChat:
    """Chats of one deployment."""

    framing: Framing = "sse"

    __slots__ = ("_model", "_reasons", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "chat")
        self._model = target.model
        self._reasons = reasons(target.model)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`. Documents to answer from go through `provider_options`."""
        return self._encode(request, stream=False)

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this vendor sends usage in every stream."""
        return self._encode(request, stream=True)

    def _encode(self, request: ChatRequest, *, stream: bool) -> Encoded:
        history = write_history(request.messages, reasons=self._reasons)
        settings = Settings(request, reasons=self._reasons)
        body: dict[str, Any] = {"model": self._model, "stream": stream, "messages": history.messages, **settings.body}
        return Encoded(HttpRequest(self._url, write_json(body)), (*settings.warnings, *history.warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`. Citations are in `provider_metadata["cohere"]`."""
        body = read_object(reply.body)
        if "finish_reason" not in body:
            raise MalformedReply("the reply has no finish reason")
        try:
            return read_chat(body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MalformedReply("the reply is not a chat of this API") from error

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)

    def decoder(self) -> CohereDecoder:
        """See `ChatCodec.decoder`."""
        return CohereDecoder()


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(chat=CohereChat(target), embed=CohereEmbed(target), rerank=CohereRerank(target))
