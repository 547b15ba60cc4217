"""Chat over `POST {base}/chat/completions`, and the binding of both tasks to one deployment."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import OrchestratorError
from orchestrator.spec.provider import Codecs, Encoded, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator_providers.mistral.messages import write_messages
from orchestrator_providers.mistral.profile import PROFILE
from orchestrator_providers.mistral.settings import SettingsWriter
from orchestrator_providers.mistral.stream import MistralDecoder
from orchestrator_providers.openai.embed import OpenAIEmbed
from orchestrator_providers.openai.errors import reply_error
from orchestrator_providers.openai.writing import endpoint
from orchestrator_providers.shared.frames import read_whole
from orchestrator_providers.shared.writing import write_json

__all__ = ["MistralChat", "bind"]


class MistralChat:
    """Chats of one deployment.

    References in an answer ride on the text that they follow, as `provider_metadata["mistral"]["reference_ids"]`, and
    parts we have no word for are in the reply's own. A last message of the assistant is sent as a prefix, and the
    vendor's answer begins with it.
    """

    framing: Framing = "sse"

    __slots__ = ("_model", "_settings", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target.base_url, "", "/chat/completions")
        self._model = target.model
        self._settings = SettingsWriter(target)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`."""
        return self._encode(request, {})

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this vendor sends usage in every stream."""
        return self._encode(request, {"stream": True})

    def _encode(self, request: ChatRequest, mode: dict[str, Any]) -> Encoded:
        warnings: list[CallWarning] = []
        body = {"model": self._model, "messages": write_messages(request.messages, warnings), **mode}
        self._settings.write(request, body, warnings)
        return Encoded(HttpRequest(self._url, write_json(body)), tuple(warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`."""
        return read_whole(MistralDecoder(), reply.body)

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply, PROFILE.quirks)

    def decoder(self) -> MistralDecoder:
        """See `ChatCodec.decoder`."""
        return MistralDecoder()


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(chat=MistralChat(target), embed=OpenAIEmbed(target))
