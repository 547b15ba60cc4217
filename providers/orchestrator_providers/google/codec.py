"""`generateContent` and `streamGenerateContent`: requests out, answers in."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Codecs, Decoded, Encoded, Failure, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator.types.collect import collect
from orchestrator_providers.google.address import endpoint
from orchestrator_providers.google.embed import GoogleEmbed
from orchestrator_providers.google.errors import read_failure
from orchestrator_providers.google.messages import write_history
from orchestrator_providers.google.profile import family
from orchestrator_providers.google.replies import read_reply
from orchestrator_providers.google.settings import Settings
from orchestrator_providers.google.stream import GoogleDecoder
from orchestrator_providers.shared.frames import SHAPE_ERRORS
from orchestrator_providers.shared.writing import write_json

__all__ = ["GoogleChat", "bind"]


class GoogleChat:
    """Chats of one deployment, at the Gemini API or at Vertex AI."""

    framing: Framing = "sse"

    __slots__ = ("_family", "_stream_url", "_target", "_url")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._family = family(target.model, target.model_profile)
        self._url = endpoint(target, "generateContent")
        self._stream_url = endpoint(target, "streamGenerateContent") + "?alt=sse"

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`. Marks in the history's `provider_metadata[kind]` become fields of their parts."""
        return self._encode(request, self._url)

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this vendor sends usage in every stream."""
        return self._encode(request, self._stream_url)

    def _encode(self, request: ChatRequest, url: str) -> Encoded:
        history = write_history(request.messages, self._target, self._family)
        settings = Settings(self._target, self._family, request)
        body: dict[str, Any] = {"contents": history.contents}
        if history.system:
            body["systemInstruction"] = {"parts": history.system}
        body |= settings.body
        return Encoded(HttpRequest(url, write_json(body)), (*settings.warnings, *history.warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`. What has no place of its own is in `provider_metadata[kind]`: safety ratings, grounding,
        citations, log probabilities.
        """
        body = read_reply(reply)
        decoder = self.decoder()
        events: Decoded = []
        try:
            decoder.take(body, events)
        except SHAPE_ERRORS as error:
            raise MalformedReply("the reply is not a response of this API") from error
        decoder.finish(events)
        return collect([event for event in events if not isinstance(event, Failure)])

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)

    def decoder(self) -> GoogleDecoder:
        """See `ChatCodec.decoder`."""
        return GoogleDecoder(self._target.profile.kind)


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(chat=GoogleChat(target), embed=GoogleEmbed(target))
