"""Messages, tools, options and replies of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # its `default` is what type checkers need; the stdlib has it from 3.13
else:
    from typing import TypeVar

from orchestrator.types.call import CallWarning, Reply
from orchestrator.types.elsewhere import Elsewhere
from orchestrator.types.usage import Usage
from orchestrator.types.values import value

__all__ = [
    "ChatOptions",
    "ChatReply",
    "ChatRequest",
    "ChatResult",
    "FinishReason",
    "JsonSchema",
    "Media",
    "Message",
    "Metadata",
    "OutputSchema",
    "Part",
    "Reasoning",
    "ReasoningEffort",
    "Role",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "UnifiedFinish",
]

Role = Literal["system", "user", "assistant", "tool"]
JsonSchema: TypeAlias = Mapping[str, Any]
Metadata: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Vendor marks keyed by provider kind, for example `{"anthropic": {"signature": "..."}}`."""

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high"]
UnifiedFinish = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]
ToolChoice: TypeAlias = str
"""`auto`, `none`, `required`, or the name of the tool that must be called."""

if TYPE_CHECKING:
    T_co = TypeVar("T_co", covariant=True, default=None)
else:
    T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text.

    Example:
        >>> Message("user", (Text("What is on this picture?"), Media(media_type="image/png", data=b"..."))).text
        'What is on this picture?'
    """

    text: str
    provider_metadata: Metadata | None = field(default=None, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image, document or sound: exactly one of `url`, `data` (bytes) and `file_id` (a vendor's file reference).

    `media_type` is an IANA type such as `image/png`; `image/*` when only the family is known (URLs).

    Example:
        >>> Media(media_type="image/*", url="https://example.com/plan.png").url
        'https://example.com/plan.png'
        >>> Media(media_type="application/pdf", data=b"%PDF-...", filename="plan.pdf").filename
        'plan.pdf'
    """

    media_type: str
    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    file_id: str | None = None
    filename: str | None = None
    provider_metadata: Metadata | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought, as far as the vendor shows it. Signatures and encrypted forms ride in the metadata."""

    text: str
    provider_metadata: Metadata | None = field(default=None, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(Elsewhere):
    """The model asks for a tool. `arguments` is the parsed JSON object.

    When the vendor sent text that is not a JSON object, `arguments` is empty and `invalid_arguments` holds that text.

    Example:
        >>> call = llm.chat("answer", "Will it rain?", tools=[Tool(name="forecast")]).tool_calls[0]
        >>> call.name, call.arguments
        ('forecast', {'city': 'Bergen'})
    """

    _elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("function", "input", "args"), "call.name and call.arguments say what is asked for"),
    }

    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    invalid_arguments: str | None = None
    provider_metadata: Metadata | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gave back: text, or text and media parts. `id` is that of the `ToolCall`.

    Example:
        >>> result = ToolResult(id="call_1", content="12 mm of rain")
        >>> Message("tool", (result,)).role
        'tool'
    """

    id: str
    content: str | tuple[Text | Media, ...]
    is_error: bool = False
    name: str | None = None
    provider_metadata: Metadata | None = field(default=None, repr=False)


Part: TypeAlias = Text | Media | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message(Elsewhere):
    """One turn. Tool results are parts of a `tool` message, tool calls of an `assistant` message.

    Example:
        >>> history = [Message("user", (Text("Which plan includes SSO?"),))]
        >>> history.append(llm.chat("answer", history).message)
        >>> history[-1].role, history[-1].text
        ('assistant', 'The Team plan.')
    """

    _elsewhere: ClassVar[Mapping[str, str]] = {"content": "write message.text, or message.parts"}

    role: Role
    parts: tuple[Part, ...]
    provider_metadata: Metadata | None = field(default=None, kw_only=True, repr=False)

    @property
    def text(self) -> str:
        """All text parts joined."""
        return "".join([part.text for part in self.parts if isinstance(part, Text)])

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls among the parts, in order."""
        return tuple([part for part in self.parts if isinstance(part, ToolCall)])

    @property
    def reasoning(self) -> str:
        """All reasoning parts joined."""
        return "".join([part.text for part in self.parts if isinstance(part, Reasoning)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; `parameters` is a JSON Schema of an object.

    Example:
        >>> city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        >>> forecast = Tool(name="forecast", description="Rain to come.", parameters=city)
        >>> llm.chat("answer", "Will it rain in Bergen?", tools=[forecast]).tool_calls[0].arguments
        {'city': 'Bergen'}
    """

    name: str
    description: str = ""
    parameters: JsonSchema = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSchema:
    """The JSON Schema that the answer must follow."""

    name: str
    schema: JsonSchema
    strict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """Settings of one chat; None means the model's own default.

    `provider_options` is keyed by provider kind; the entries for the picked kind go into the request body as they are.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    provider_options: Metadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat as a codec gets it: messages normalised, options merged, tools and schema resolved.

    Its repr shows no content: it is what tracebacks with local variables would show.
    """

    messages: tuple[Message, ...] = field(repr=False)
    options: ChatOptions = ChatOptions()
    tools: tuple[Tool, ...] = ()
    output: OutputSchema | None = None


@dataclass(frozen=True, slots=True)
class FinishReason:
    """Why the model stopped, in our words and in the vendor's."""

    unified: UnifiedFinish
    raw: str | None = None


@value(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """What one deployment answered, as a codec decodes it."""

    message: Message
    finish_reason: FinishReason
    usage: Usage | None = None
    response_id: str | None = None
    model: str | None = None
    warnings: tuple[CallWarning, ...] = ()
    provider_metadata: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChatReply(Reply, Generic[T_co]):
    """The answer to `chat`. `output` is the validated structured output when `output=` was given.

    Example:
        >>> reply = llm.chat("answer", "Which plan includes SSO?")
        >>> reply.text, reply.finish_reason.unified, reply.cost.total > 0
        ('The Team plan.', 'stop', True)
    """

    _elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("choices", "content", "output_text"), "write reply.text"),
        **dict.fromkeys(("parsed", "output_parsed"), "write reply.output"),
        "id": "did you mean 'response_id'?",
        "stop_reason": "did you mean 'finish_reason'?",
        "role": "write reply.message.role",
    }

    message: Message
    finish_reason: FinishReason
    output: T_co

    @property
    def text(self) -> str:
        """The answer's text, empty when the model only called tools."""
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools the model asks for, arguments complete."""
        return self.message.tool_calls

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as the vendor shows it."""
        return self.message.reasoning

    def _content(self) -> str:
        calls = f", {len(self.tool_calls)} tool calls" if self.tool_calls else ""
        return f"{len(self.text)} characters{calls}, {self.finish_reason.unified}"
