"""Chat over `POST /responses`, stateless: the vendor keeps nothing, the history holds everything."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Codecs, Encoded, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult, Message, ToolCall
from orchestrator_providers.openai.errors import reply_error
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.writing import endpoint, write_json
from orchestrator_providers.openai_responses import items
from orchestrator_providers.openai_responses.errors import response_error
from orchestrator_providers.openai_responses.messages import write_input
from orchestrator_providers.openai_responses.settings import Settings
from orchestrator_providers.openai_responses.stream import ResponsesStream
from orchestrator_providers.openai_responses.usage import read_usage
from orchestrator_providers.shared.reading import label, read_object

__all__ = ["ResponsesChat", "bind"]


class ResponsesChat:
    """See `ChatCodec`.

    `marks` is the key under which the wire's marks ride in `provider_metadata`, the kind unless given: for kinds that
    speak a second wire beside this one, whose marks must not be taken for these.
    """

    __slots__ = ("_marks", "_model", "_quirks", "_settings", "_target", "_url")

    framing: Framing = "sse"

    def __init__(self, target: Target, *, url: str | None = None, marks: str | None = None) -> None:
        self._quirks: Quirks = target.profile.quirks
        self._target = target
        self._model = target.model
        self._url = url or endpoint(target.base_url, self._quirks.default_path, "/responses")
        self._marks = marks or target.profile.kind
        self._settings = Settings(target)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`."""
        return self._encode(request, {"model": self._model, "store": False})

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`; this wire sends usage in every stream."""
        return self._encode(request, {"model": self._model, "store": False, "stream": True})

    def _encode(self, request: ChatRequest, body: dict[str, Any]) -> Encoded:
        warnings: list[CallWarning] = []
        settings = self._settings.write(request, warnings)
        stored = bool(settings.get("store"))
        body["input"] = write_input(request.messages, self._target, self._marks, warnings, stored=stored)
        return Encoded(HttpRequest(self._url, write_json(body | settings)), tuple(warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`."""
        body = read_object(reply.body)
        if body.get("error") or body.get("status") == "failed":
            raise response_error(body, reply.headers, self._quirks)
        try:
            return self._result(body)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MalformedReply("the reply is not a response of this API") from error

    def _result(self, body: dict[str, Any]) -> ChatResult:
        kind = self._marks
        parts = [part for n, item in enumerate(body["output"]) for part in items.read_item(item, kind, n)]
        return ChatResult(
            message=Message("assistant", tuple(parts)),
            finish_reason=items.finish_reason(
                body,
                calls=any(isinstance(part, ToolCall) for part in parts),
                refused=any(items.refuses(part, kind) for part in parts),
            ),
            usage=read_usage(body),
            response_id=label(body.get("id")),
            model=label(body.get("model")),
            provider_metadata=items.extras(body, kind),
        )

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply, self._quirks)

    def decoder(self) -> ResponsesStream:
        """See `ChatCodec.decoder`."""
        return ResponsesStream(self._marks, self._quirks)


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(chat=ResponsesChat(target))
