"""`POST {base}/model/{id}/converse` and `…/converse-stream`."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Encoded, Framing, StreamDecoder, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult, Message, ToolCall
from orchestrator_providers.bedrock.blocks import extra_fields, finish_reason, marks, read_block
from orchestrator_providers.bedrock.errors import read_failure
from orchestrator_providers.bedrock.eventstream import EventStreamParser
from orchestrator_providers.bedrock.messages import write_history
from orchestrator_providers.bedrock.profile import endpoint, vendor
from orchestrator_providers.bedrock.settings import Settings
from orchestrator_providers.bedrock.stream import ConverseDecoder
from orchestrator_providers.bedrock.usage import read_usage, searches
from orchestrator_providers.shared.reading import read_object, required
from orchestrator_providers.shared.writing import write_json

__all__ = ["STREAM_HEADERS", "ConverseChat"]

STREAM_HEADERS = {"accept": "application/vnd.amazon.eventstream"}


class ConverseChat:
    """Chats of one deployment."""

    framing: Framing = EventStreamParser

    __slots__ = ("_model", "_plain_ids", "_profile", "_stream_url", "_url")

    _operation = "converse"
    _stream_operation = "converse-stream"

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, self._operation)
        self._stream_url = endpoint(target, self._stream_operation)
        self._model = target.model
        self._plain_ids = vendor(target.model) in ("", "anthropic")
        self._profile = target.model_profile

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`. `write_history` says which marks of the history become fields."""
        body, warnings = self._write(request)
        return Encoded(HttpRequest(self._url, write_json(body)), warnings)

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this vendor sends usage in every stream."""
        body, warnings = self._write(request)
        return Encoded(HttpRequest(self._stream_url, write_json(body), STREAM_HEADERS), warnings)

    def _write(self, request: ChatRequest) -> tuple[dict[str, Any], tuple[CallWarning, ...]]:
        history = write_history(request.messages, plain_ids=self._plain_ids)
        settings = Settings(self._model, self._profile, request, history.called)
        body: dict[str, Any] = {"messages": history.turns}
        if history.system:
            body["system"] = history.system
        return body | settings.body, (*settings.warnings, *history.warnings)

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`. Traces and metrics are in `provider_metadata["bedrock"]`; no answer names its model."""
        body = read_object(reply.body)
        if "output" not in body and ("message" in body or "__type" in body):
            raise read_failure(reply)
        try:
            return _read_message(body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MalformedReply("the reply is not a message of this API") from error

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)

    def decoder(self) -> StreamDecoder:
        """See `ChatCodec.decoder`."""
        return ConverseDecoder()


def _read_message(body: dict[str, Any]) -> ChatResult:
    blocks = body["output"]["message"]["content"]
    parts = tuple([read_block(block) for block in blocks])
    raw = required(body["stopReason"], "the stop reason")
    return ChatResult(
        message=Message("assistant", parts),
        finish_reason=finish_reason(raw, called_tools=any(isinstance(part, ToolCall) for part in parts)),
        usage=read_usage(body.get("usage"), body, searched=sum([searches(block.get("toolUse")) for block in blocks])),
        provider_metadata=marks(extra_fields(body, "output", "stopReason", "usage")),
    )
