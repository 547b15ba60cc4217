"""Chats by InvokeModel, in the model's own format: Claude's is the Messages API, Nova's nearly that of Converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from orchestrator.errors import OrchestratorError, UnsupportedFeature
from orchestrator.spec.provider import Decoded, Encoded, Failure, Framing, StreamDecoder, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult, Media, Part, ToolResult
from orchestrator_providers.anthropic.codec import AnthropicChat
from orchestrator_providers.bedrock.converse import STREAM_HEADERS, ConverseChat
from orchestrator_providers.bedrock.errors import read_failure, stream_failure
from orchestrator_providers.bedrock.eventstream import EXCEPTION, ChunkParser
from orchestrator_providers.bedrock.profile import KIND, endpoint
from orchestrator_providers.bedrock.stream import NovaDecoder
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.writing import write_json

__all__ = ["ClaudeInvoke", "NovaInvoke"]

_CLAUDE_VERSION = "bedrock-2023-05-31"
_CLAUDE = "anthropic"


class ClaudeInvoke:
    """Chats of one Claude. What its answers are marked with is Anthropic's own and stands under `anthropic`: such a
    history moves between this and that kind whole.
    """

    framing: Framing = ChunkParser

    __slots__ = ("_messages", "_stream_url", "_url")

    def __init__(self, target: Target) -> None:
        self._messages = AnthropicChat(target)
        self._url = endpoint(target, "invoke")
        self._stream_url = endpoint(target, "invoke-with-response-stream")

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`."""
        return self._encode(request, self._url, {})

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this vendor sends usage in every stream."""
        return self._encode(request, self._stream_url, STREAM_HEADERS)

    def _encode(self, request: ChatRequest, url: str, headers: Mapping[str, str]) -> Encoded:
        for message in request.messages:
            _refuse_addresses(message.parts)
        given = request.options.provider_options or {}
        options = replace(request.options, provider_options={_CLAUDE: given.get(KIND) or {}})
        written = self._messages.encode(replace(request, options=options))
        body = orjson.loads(written.request.body)
        del body["model"]  # it is in the URL, and refused here
        body.setdefault("anthropic_version", _CLAUDE_VERSION)
        return Encoded(HttpRequest(url, write_json(body), headers), written.warnings)

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`."""
        return self._messages.decode(reply)

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)

    def decoder(self) -> StreamDecoder:
        """See `ChatCodec.decoder`."""
        return _ChunkDecoder(self._messages.decoder())


def _refuse_addresses(parts: Sequence[Part]) -> None:
    for part in parts:
        if isinstance(part, ToolResult) and not isinstance(part.content, str):
            _refuse_addresses(part.content)
        elif isinstance(part, Media) and part.data is None:
            raise UnsupportedFeature("this provider fetches no URLs and keeps no files: send the bytes")


class _ChunkDecoder(FrameDecoder):
    """See `StreamDecoder`. The model's own events go to its own decoder, AWS's errors are ours."""

    __slots__ = ("_inner",)

    def __init__(self, inner: StreamDecoder) -> None:
        super().__init__()
        self._inner = inner

    def _frame(self, event: str, data: bytes, events: Decoded) -> None:
        if event.startswith(EXCEPTION):
            raise stream_failure(event.removeprefix(EXCEPTION), data)
        if event == "chunk":
            self._take(self._inner.feed([("", data)]), events)

    def _finish_at_end(self, events: Decoded) -> None:
        self._take(self._inner.end(), events)

    def _take(self, given: Decoded, events: Decoded) -> None:
        events += given
        inner = self._inner
        self.usage, self.closing, self.done = inner.usage, inner.closing, inner.done
        self.failed = bool(given) and isinstance(given[-1], Failure)


class NovaInvoke(ConverseChat):
    """Chats of one Nova."""

    framing: Framing = ChunkParser

    __slots__ = ()

    _operation = "invoke"
    _stream_operation = "invoke-with-response-stream"

    def _write(self, request: ChatRequest) -> tuple[dict[str, Any], tuple[CallWarning, ...]]:
        body, warnings = super()._write(request)
        # Here the model's own fields stand beside the others.
        own = body.pop("additionalModelRequestFields", {})
        sampling = {**body.pop("inferenceConfig", {}), **own.pop("inferenceConfig", {})}
        return {
            "schemaVersion": "messages-v1",
            **body,
            **({"inferenceConfig": sampling} if sampling else {}),
            **own,
        }, warnings

    def decoder(self) -> StreamDecoder:
        """See `ChatCodec.decoder`."""
        return NovaDecoder()
