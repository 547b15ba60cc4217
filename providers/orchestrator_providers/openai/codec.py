"""Chat over `POST /chat/completions`, and the binding of all tasks to one deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Codecs, Encoded, Framing, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, ChatResult, Media, Message, Part, Reasoning, Text, ToolCall
from orchestrator_providers.openai import mappings
from orchestrator_providers.openai.audio import Sound
from orchestrator_providers.openai.calls import read_calls
from orchestrator_providers.openai.embed import OpenAIEmbed
from orchestrator_providers.openai.errors import embedded_error, reply_error
from orchestrator_providers.openai.messages import write_messages
from orchestrator_providers.openai.options import OptionWriter
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.rerank import OpenAIRerank
from orchestrator_providers.openai.stream import OpenAIStream
from orchestrator_providers.openai.usage import read_usage
from orchestrator_providers.openai.writing import endpoint, write_json
from orchestrator_providers.shared.reading import label, mapping, read_object

__all__ = ["OpenAIChat", "bind"]

_PLAIN = frozenset({"role", "content"})


def bind(target: Target) -> Codecs:
    """The codecs of one deployment, for the tasks its vendor has."""
    tasks = target.profile.tasks
    return Codecs(
        chat=OpenAIChat(target) if "chat" in tasks else None,
        embed=OpenAIEmbed(target) if "embed" in tasks else None,
        rerank=OpenAIRerank(target) if "rerank" in tasks else None,
    )


class OpenAIChat:
    """See `ChatCodec`."""

    __slots__ = ("_kind", "_model", "_options", "_profile", "_quirks", "_url")

    framing: Framing = "sse"

    def __init__(self, target: Target) -> None:
        quirks: Quirks = target.profile.quirks
        self._profile = target.profile
        self._kind = target.profile.kind
        self._quirks = quirks
        self._model = target.model
        self._url = endpoint(target.base_url, quirks.default_path, quirks.chat_path)
        self._options = OptionWriter(self._kind, quirks, target.model_profile)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `Codec.encode`."""
        return self._encode(request, stream=False)

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """See `ChatCodec.encode_stream`."""
        return self._encode(request, stream=True)

    def _encode(self, request: ChatRequest, *, stream: bool) -> Encoded:
        warnings: list[CallWarning] = []
        body: dict[str, Any] = {
            "model": self._model,
            "messages": write_messages(request.messages, self._profile, warnings),
        }
        if stream:
            body["stream"] = True
            if self._quirks.stream_usage:
                body["stream_options"] = {"include_usage": True}
        self._options.write(request, body, warnings)
        return Encoded(HttpRequest(self._url, write_json(body)), tuple(warnings))

    def decode(self, reply: HttpReply) -> ChatResult:
        """See `Codec.decode`."""
        body = read_object(reply.body)
        if body.get("error") or body.get("object") == "error":
            raise embedded_error(reply.body, reply.headers, self._quirks)
        choice = _first_choice(body)
        if choice.get("error"):
            raise embedded_error(write_json({"error": choice["error"]}), reply.headers, self._quirks)
        message = mapping(choice.get("message"))
        try:
            return self._result(body, choice, message)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MalformedReply("the reply has an unexpected shape") from error

    def _result(self, body: Mapping[str, Any], choice: Mapping[str, Any], message: Mapping[str, Any]) -> ChatResult:
        reason = choice.get("finish_reason")
        if not (reason or choice.get("finish_details") or self._quirks.finish_optional):
            raise MalformedReply("the reply has no finish reason")
        plain = _plain_text(message)
        calls = () if plain else read_calls(message, self._kind)
        return ChatResult(
            message=Message("assistant", (plain,) if plain else self._parts(message, calls)),
            finish_reason=mappings.finish(
                reason,
                calls=bool(calls) and any(isinstance(call, ToolCall) for call in calls),
                refused=bool(message.get("refusal")),
                details=choice.get("finish_details"),
                answered=bool(calls) and any(isinstance(call, Text) for call in calls),
            ),
            usage=read_usage(body, self._quirks),
            response_id=label(body.get("id")),
            model=label(body.get("model")),
            provider_metadata=mappings.extras(self._kind, (body, choice, message)),
        )

    def _parts(self, message: Mapping[str, Any], calls: tuple[ToolCall | Text, ...]) -> tuple[Part, ...]:
        text, thought = mappings.split(message.get("content"))
        shown, name = mappings.reasoning_text(message)
        details: list[dict[str, Any]] = []
        mappings.merge_details(details, message.get("reasoning_details"))
        marks = mappings.reasoning_marks(self._kind, self._quirks, name, details)
        parts: list[Part] = []
        if thought or shown or (marks and details):
            parts.append(Reasoning(thought or shown, provider_metadata=marks))
        sound = Sound()
        said = (text or message.get("refusal") or "") + sound.add(message.get("audio"))
        if said:
            parts.append(Text(said))
        pictures: list[Media | None] = [mappings.image(part) for part in message.get("images") or ()]
        heard = sound.media(self._kind)
        return (*parts, *[media for media in pictures if media is not None], *calls, *((heard,) if heard else ()))

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return reply_error(reply, self._quirks)

    def decoder(self) -> OpenAIStream:
        """See `ChatCodec.decoder`."""
        return OpenAIStream(self._kind, self._quirks)


def _plain_text(message: Mapping[str, Any]) -> Text | None:
    """The one part of a message that holds text and nothing else, as nearly all do. None: take the long way round."""
    content = message.get("content")
    if content and type(content) is str and _PLAIN.issuperset([name for name, value in message.items() if value]):
        return Text(content)
    return None


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    if type(choices) is list and len(choices) == 1 and type(choices[0]) is dict:
        return choices[0]
    found = [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
    if not found:
        raise MalformedReply("the reply has no choices")
    return next((choice for choice in found if not choice.get("index")), found[0])
