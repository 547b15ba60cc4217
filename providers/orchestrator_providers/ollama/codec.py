"""Chat over `POST {base}/api/chat`, and the binding of both tasks to one deployment."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import OrchestratorError
from orchestrator.spec.provider import Codecs, Encoded, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator_providers.ollama.embed import OllamaEmbed
from orchestrator_providers.ollama.errors import read_failure
from orchestrator_providers.ollama.messages import write_messages
from orchestrator_providers.ollama.profile import endpoint
from orchestrator_providers.ollama.settings import SettingsWriter
from orchestrator_providers.ollama.stream import OllamaDecoder
from orchestrator_providers.shared.frames import read_whole
from orchestrator_providers.shared.ndjson import NdjsonParser
from orchestrator_providers.shared.writing import write_json

__all__ = ["OllamaChat", "bind"]


class OllamaChat:
    """Chats of one deployment.

    A server gives a model a context of its own choosing, often 4,096 tokens, whatever the model could take. By default
    it cuts a longer prompt and answers from what is left, with status 200 and no word of it. So `truncate` and `shift`
    are sent as false: then the server refuses the prompt (`ContextTooLong`), and an answer that fills the context ends
    with `length`. Older servers know neither and go on cutting; there, all a client sees is a
    `prompt_eval_count` (`usage.input_tokens`) below what it sent. A larger context is asked for with
    `provider_options: {ollama: {options: {num_ctx: 32768}}}`.
    """

    framing: Framing = NdjsonParser

    __slots__ = ("_model", "_settings", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "chat")
        self._model = target.model
        self._settings = SettingsWriter(target)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`."""
        return self._encode(request, stream=False)

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this wire sends counts in every stream."""
        return self._encode(request, stream=True)

    def _encode(self, request: ChatRequest, *, stream: bool) -> Encoded:
        warnings: list[CallWarning] = []
        body: dict[str, Any] = {
            "model": self._model,
            "messages": write_messages(request.messages, warnings),
            "stream": stream,
            "truncate": False,
            "shift": False,
        }
        self._settings.write(request, body, warnings)
        return Encoded(HttpRequest(self._url, write_json(body)), tuple(warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`."""
        return read_whole(OllamaDecoder(), reply.body)

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)

    def decoder(self) -> OllamaDecoder:
        """See `ChatCodec.decoder`."""
        return OllamaDecoder()


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(chat=OllamaChat(target), embed=OllamaEmbed(target))
