"""`POST {base}/v1/messages`: requests out, answers in."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Codecs, Encoded, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.chat import ChatRequest, ChatResult, Message, ToolCall
from orchestrator_providers.anthropic.blocks import extra_fields, finish_reason, marks, read_block
from orchestrator_providers.anthropic.errors import read_failure
from orchestrator_providers.anthropic.messages import write_history
from orchestrator_providers.anthropic.profile import family
from orchestrator_providers.anthropic.settings import Settings
from orchestrator_providers.anthropic.stream import AnthropicDecoder
from orchestrator_providers.anthropic.usage import read_usage
from orchestrator_providers.shared.reading import label, read_object, required
from orchestrator_providers.shared.writing import write_json

__all__ = ["AnthropicChat", "bind"]

_READ = ("id", "type", "role", "model", "content", "stop_reason", "usage")


class AnthropicChat:
    """Chats of one deployment."""

    framing: Framing = "sse"

    __slots__ = ("_family", "_model", "_url")

    def __init__(self, target: Target) -> None:
        base = target.base_url.rstrip("/").removesuffix("/v1")
        self._url = f"{base}/v1/messages"
        self._model = target.model
        self._family = family(target.model_profile)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`. Marks in the history's `provider_metadata["anthropic"]` become fields of their blocks."""
        return self._encode(request, {"model": self._model})

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this vendor sends usage in every stream."""
        return self._encode(request, {"model": self._model, "stream": True})

    def _encode(self, request: ChatRequest, body: dict[str, Any]) -> Encoded:
        history = write_history(request.messages)
        settings = Settings(self._family, request)
        body["messages"] = history.turns
        if history.system:
            body["system"] = history.system
        body |= settings.body
        return Encoded(HttpRequest(self._url, write_json(body)), (*settings.warnings, *history.warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`. What has no place of its own is in `provider_metadata["anthropic"]`."""
        body = read_object(reply.body)
        if body.get("type") == "error" or ("error" in body and "content" not in body):
            raise read_failure(reply)
        try:
            return _read_message(body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MalformedReply("the reply is not a message of this API") from error

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)

    def decoder(self) -> AnthropicDecoder:
        """See `ChatCodec.decoder`."""
        return AnthropicDecoder()


def _read_message(body: dict[str, Any]) -> ChatResult:
    parts = tuple([read_block(block) for block in body["content"]])
    raw = required(body["stop_reason"], "the stop reason")
    return ChatResult(
        message=Message("assistant", parts),
        finish_reason=finish_reason(raw, called_tools=any(isinstance(part, ToolCall) for part in parts)),
        usage=read_usage(body.get("usage")),
        response_id=label(body.get("id")),
        model=label(body.get("model")),
        provider_metadata=marks(extra_fields(body, *_READ)),
    )


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(chat=AnthropicChat(target))
