"""From what an application passes to a checked request. Raises `InvalidRequest` naming what and where, before anything
is sent; never quotes content.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

import orjson

from orchestrator.errors import InvalidRequest
from orchestrator.types.chat import (
    ChatOptions,
    Media,
    Message,
    Part,
    Reasoning,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

__all__ = ["MessageInput", "check_options", "messages", "texts", "tools"]

MessageInput: TypeAlias = "str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]"
"""A user's sentence, one message, or a history of `Message`s and role/content mappings in any mixture."""

_ROLES: Mapping[str, Role] = {role: role for role in get_args(Role)} | {"developer": "system"}
_PART_TYPES = (Text, Media, Reasoning, ToolCall, ToolResult)
_ALLOWED_PARTS: Mapping[Role, tuple[type, ...]] = {
    "system": (Text,),
    "user": (Text, Media),
    "assistant": (Text, Media, Reasoning, ToolCall),
    "tool": (ToolResult,),
}
_EFFORTS = frozenset(get_args(ReasoningEffort))
_MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})


def messages(given: MessageInput) -> tuple[Message, ...]:
    """Normalise and check a history: known roles and parts, not empty, every tool result after its call."""
    if isinstance(given, str):
        if not given:
            raise InvalidRequest("messages: the text is empty")
        return (Message("user", (Text(given),)),)
    history = [given] if isinstance(given, Message | Mapping) else given
    if not isinstance(history, Sequence) or not history:
        raise InvalidRequest("messages: expected a text or at least one message")
    found = tuple([_message(one, i) for i, one in enumerate(history)])
    _check_tools(found)
    if all(message.role == "system" for message in found):
        raise InvalidRequest("messages: only system messages; nothing to answer")
    return found


def _message(given: Any, i: int) -> Message:
    if isinstance(given, Message):
        _check_parts(given, i)
        return given
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"messages[{i}]: expected a Message or a mapping, found {type(given).__name__}")
    role = _ROLES.get(given.get("role", ""))
    if role is None:
        raise InvalidRequest(f"messages[{i}].role: found {given.get('role')!r}; known roles: {', '.join(_ROLES)}")
    unknown = given.keys() - _MESSAGE_KEYS
    if unknown:
        raise InvalidRequest(f"messages[{i}]: unknown key {min(map(str, unknown))!r}")
    content = given.get("content")
    if role in {"user", "system"} and isinstance(content, str) and content:
        return Message(role, (Text(content),))  # by far the most common
    message = Message(role, tuple(_tool_parts(given, i) if role == "tool" else _parts(given, content, i)))
    _check_parts(message, i)
    return message


def _parts(given: Mapping[str, Any], content: Any, i: int) -> Iterable[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, Sequence):
        for j, part in enumerate(content):
            yield part if isinstance(part, _PART_TYPES) else _part(part, f"messages[{i}].content[{j}]")
    elif content is not None:
        raise InvalidRequest(f"messages[{i}].content: expected text or a list, found {type(content).__name__}")
    for j, call in enumerate(given.get("tool_calls") or ()):
        yield _tool_call(call, f"messages[{i}].tool_calls[{j}]")


def _tool_parts(given: Mapping[str, Any], i: int) -> Iterable[Part]:
    id_ = given.get("tool_call_id")
    if not isinstance(id_, str) or not id_:
        raise InvalidRequest(f"messages[{i}].tool_call_id: a tool message names the call it answers")
    parts = tuple(_parts({}, given.get("content"), i))
    if any(not isinstance(part, Text | Media) for part in parts):
        raise InvalidRequest(f"messages[{i}].content: a tool result holds text and media only")
    text = "".join([part.text for part in parts if isinstance(part, Text)])
    content = text if all(isinstance(part, Text) for part in parts) else parts
    name = given.get("name")
    yield ToolResult(id=id_, content=content, name=name if isinstance(name, str) else None)  # type: ignore[arg-type]


def _part(given: Any, where: str) -> Part:
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{where}: expected a part or a mapping, found {type(given).__name__}")
    reader = _READERS.get(str(given.get("type")))
    if reader is None:
        raise InvalidRequest(f"{where}.type: found {given.get('type')!r}; known types: {', '.join(sorted(_READERS))}")
    return reader(given, where)


def _text_part(given: Mapping[str, Any], where: str) -> Part:
    if not isinstance(given.get("text"), str):
        raise InvalidRequest(f"{where}.text: expected text")
    return Text(given["text"])


def _image_part(given: Mapping[str, Any], where: str) -> Part:
    image = given.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str) or not url:
        raise InvalidRequest(f"{where}.image_url.url: expected a URL")
    detail = image.get("detail") if isinstance(image, Mapping) else None
    metadata = {"openai": {"detail": detail}} if detail else None
    if not url.startswith("data:"):
        return Media(media_type="image/*", url=url, provider_metadata=metadata)
    head, comma, body = url.partition(",")
    media_type = head[5:].partition(";")[0]
    if not comma or not head.endswith(";base64") or "/" not in media_type:
        raise InvalidRequest(f"{where}.image_url.url: a data URL reads data:<media type>;base64,<data>")
    return Media(media_type=media_type, data=_unbase64(body, f"{where}.image_url.url"), provider_metadata=metadata)


def _audio_part(given: Mapping[str, Any], where: str) -> Part:
    audio = given.get("input_audio")
    if not isinstance(audio, Mapping) or not isinstance(audio.get("data"), str):
        raise InvalidRequest(f"{where}.input_audio.data: expected base64 text")
    return Media(
        media_type=f"audio/{audio.get('format', 'wav')}", data=_unbase64(audio["data"], f"{where}.input_audio.data")
    )


def _unbase64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{where}: not valid base64") from error


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Part]] = {
    "text": _text_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
}


def _tool_call(given: Any, where: str) -> ToolCall:
    if isinstance(given, ToolCall):
        return given
    function = given.get("function") if isinstance(given, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidRequest(f"{where}: expected id and function with name and arguments")
    id_ = given.get("id")
    if not isinstance(id_, str) or not id_:
        raise InvalidRequest(f"{where}.id: expected the call's id")
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"{where}.function.arguments: not valid JSON") from error
    if not isinstance(arguments, Mapping):
        raise InvalidRequest(f"{where}.function.arguments: expected a JSON object")
    return ToolCall(id=id_, name=function["name"], arguments=arguments)


def _check_parts(message: Message, i: int) -> None:
    if message.role not in _ALLOWED_PARTS:
        raise InvalidRequest(f"messages[{i}].role: found {message.role!r}; known roles: {', '.join(_ALLOWED_PARTS)}")
    if not message.parts:
        raise InvalidRequest(f"messages[{i}]: the {message.role} message is empty")
    allowed = _ALLOWED_PARTS[message.role]
    for j, part in enumerate(message.parts):
        if not isinstance(part, allowed):
            kind = type(part).__name__
            raise InvalidRequest(f"messages[{i}].parts[{j}]: a {message.role} message cannot hold {kind}")
        if isinstance(part, Media):
            _check_media(part, f"messages[{i}].parts[{j}]")


def _check_media(media: Media, where: str) -> None:
    if sum(value is not None for value in (media.url, media.data, media.file_id)) != 1:
        raise InvalidRequest(f"{where}: Media takes exactly one of url, data and file_id")
    family, slash, subtype = media.media_type.partition("/")
    if not (family and slash and subtype) or not media.media_type.isascii():
        raise InvalidRequest(f"{where}.media_type: expected a type such as image/png, found {media.media_type!r}")
    if media.url is not None and not media.url.lower().startswith(("https://", "http://")):
        raise InvalidRequest(f"{where}.url: expected an http or https URL; pass bytes as data=")


def _check_tools(history: tuple[Message, ...]) -> None:
    open_calls: set[str] = set()
    for i, message in enumerate(history):
        for part in message.parts:
            if isinstance(part, ToolCall):
                open_calls.add(part.id)
            elif isinstance(part, ToolResult):
                if part.id not in open_calls:
                    raise InvalidRequest(f"messages[{i}]: tool result {part.id!r} has no call before it")
                open_calls.discard(part.id)


def tools(given: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Tools as values; mappings in the `{"type": "function", "function": {...}}` form are read. Names are unique."""
    found = tuple([_tool(tool, f"tools[{i}]") for i, tool in enumerate(given or ())])
    names = [tool.name for tool in found]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"tools: {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _tool(given: Any, where: str) -> Tool:
    if isinstance(given, Tool):
        return given
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{where}: expected a Tool or a mapping, found {type(given).__name__}")
    function = given.get("function", given)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidRequest(f"{where}.name: expected the tool's name")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping):
        raise InvalidRequest(f"{where}.parameters: expected a JSON Schema")
    return Tool(
        name=function["name"],
        description=str(function.get("description") or ""),
        parameters=parameters,
        strict=function.get("strict"),
    )


def check_options(options: ChatOptions, tool_names: Sequence[str]) -> None:
    """Ranges that no vendor takes, and a tool choice without its tool."""
    _check_number("temperature", options.temperature, 0, 2)
    _check_number("top_p", options.top_p, 0, 1)
    if options.max_output_tokens is not None and options.max_output_tokens < 1:
        raise InvalidRequest("max_output_tokens: expected at least 1")
    if options.reasoning_effort is not None and options.reasoning_effort not in _EFFORTS:
        raise InvalidRequest(f"reasoning_effort: expected one of {', '.join(sorted(_EFFORTS))}")
    choice = options.tool_choice
    if choice is None:
        return
    if not tool_names:
        raise InvalidRequest("tool_choice: there are no tools to choose from")
    if choice not in {"auto", "none", "required"} and choice not in tool_names:
        raise InvalidRequest(f"tool_choice: no tool is named {choice!r}")


def _check_number(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidRequest(f"{name}: expected a number from {low} to {high}")


def texts(name: str, given: Sequence[str] | str) -> tuple[str, ...]:
    """Texts to embed or documents to rank: at least one, none of them empty."""
    found = (given,) if isinstance(given, str) else tuple(given)
    if not found:
        raise InvalidRequest(f"{name}: empty")
    for i, text in enumerate(found):
        if not isinstance(text, str):
            raise InvalidRequest(f"{name}[{i}]: expected text, found {type(text).__name__}")
        if not text:
            raise InvalidRequest(f"{name}[{i}]: the text is empty")
    return found
