"""From what an application passes to a checked request. Raises `InvalidRequest` naming what and where, before anything
is sent; never quotes content.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias, get_args

import orjson

from orchestrator.errors import InvalidRequest
from orchestrator.types.chat import (
    Media,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

__all__ = ["MessageInput", "messages", "texts", "tools"]

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
_OTHER_ROLES: Mapping[str, Role] = {role: role for role in get_args(Role)} | {
    "ai": "assistant",
    "bot": "assistant",
    "function": "tool",
    "human": "user",
    "model": "assistant",
}
"""What others call them, for messages only."""

_EXAMPLE = "{'role': 'user', 'content': …}"
_OWNERS: Mapping[str, Role] = {"tool_calls": "assistant", "tool_call_id": "tool", "refusal": "assistant"}
_LISTS = (list, tuple)
_MAPPINGS = (dict, Mapping)
"""The usual ones first: asking an abstract class takes its time."""

_KEYWORD = re.compile(r"[A-Za-z0-9_./*+-]{1,40}")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+*-]+", re.IGNORECASE)
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PARAMETERS_ELSEWHERE = ("input_schema", "inputSchema", "parameters_json_schema", "args_schema")
_SCHEMA_KEYS = frozenset({"$defs", "$ref", "allOf", "anyOf", "oneOf", "properties", "required", "additionalProperties"})
_MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})


def messages(given: MessageInput) -> tuple[Message, ...]:
    """Normalise and check a history: known roles and parts, not empty, every tool result after its call."""
    if isinstance(given, str):
        if not given:
            raise InvalidRequest("messages: the text is empty")
        return (Message("user", (Text(given),)),)
    history = given if isinstance(given, _LISTS) else _listed(given)
    if not history:
        raise InvalidRequest("messages: the list is empty; expected at least one message")
    found = tuple([_message(one, i) for i, one in enumerate(history)])
    _check_tools(found)
    if found[-1].role == "system" and all(message.role == "system" for message in found):
        raise InvalidRequest("messages: only system messages; nothing to answer")
    return found


def _listed(given: Any) -> Sequence[Any]:
    if isinstance(given, Message | Mapping):
        return [given]
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise InvalidRequest(f"messages: expected a text or a list of messages, found {type(given).__name__}")
    return given


def _message(given: Any, i: int) -> Message:
    if isinstance(given, Message):
        _check_parts(given, i)
        return given
    if not isinstance(given, _MAPPINGS):
        hint = "its `message` is one" if hasattr(given, "message") else f"such as {_EXAMPLE}"
        raise InvalidRequest(f"messages[{i}]: expected a Message or a mapping, found {type(given).__name__}; {hint}")
    name = given.get("role")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise InvalidRequest(f"messages[{i}].role: {_no_role(given)}")
    content = given.get("content")
    if len(given) == 2 and role != "tool" and isinstance(content, str) and content:
        return Message(role, (Text(content),))  # by far the most common
    _check_keys(given, role, i)
    message = Message(role, tuple(_tool_parts(given, i) if role == "tool" else _parts(given, content, i)))
    _check_parts(message, i)
    return message


def _no_role(given: Mapping[str, Any]) -> str:
    if "role" not in given:
        return f"it is missing; a message reads {_EXAMPLE}"
    near = _OTHER_ROLES.get(str(given["role"]).lower())
    hint = f"did you mean {near!r}?" if near else f"known roles: {', '.join(_ROLES)}"
    return f"found {_shown(given['role'])}; {hint}"


def _check_keys(given: Mapping[str, Any], role: Role, i: int) -> None:
    """Vendors' clients write out every key they know, empty or not: an empty one says nothing and is let pass."""
    unknown = [key for key, value in given.items() if key not in _MESSAGE_KEYS and value]
    if unknown:
        known = ", ".join(sorted(_MESSAGE_KEYS))
        raise InvalidRequest(f"messages[{i}]: unknown key {_shown(unknown[0])}; known keys: {known}")
    for key, owner in _OWNERS.items():
        if role != owner and given.get(key):
            raise InvalidRequest(f"messages[{i}].{key}: not in a message of the role {role}")


def _shown(value: Any) -> str:
    """A value that should have been a keyword. What does not look like one may be content, and is not quoted."""
    return repr(value) if isinstance(value, str) and _KEYWORD.fullmatch(value) else type(value).__name__


def _parts(given: Mapping[str, Any], content: Any, i: int) -> Iterable[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, Sequence) and not isinstance(content, bytes | bytearray):
        for j, part in enumerate(content):
            yield part if isinstance(part, _PART_TYPES) else _part(part, f"messages[{i}].content[{j}]")
    elif content is not None:
        raise InvalidRequest(f"messages[{i}].content: expected text or a list, found {type(content).__name__}")
    refusal = given.get("refusal")
    if isinstance(refusal, str) and refusal:
        yield Text(refusal)
    calls = given.get("tool_calls") or ()
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        raise InvalidRequest(f"messages[{i}].tool_calls: expected a list, found {type(calls).__name__}")
    for j, call in enumerate(calls):
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
        found = _shown(given.get("type"))
        known = ", ".join(sorted(_READERS))
        raise InvalidRequest(f"{where}.type: found {found}; known types: {known}, or parts such as Media(…)")
    return reader(given, where)


def _text_part(given: Mapping[str, Any], where: str) -> Part:
    if not isinstance(given.get("text"), str):
        raise InvalidRequest(f"{where}.text: expected text")
    return Text(given["text"])


def _refusal_part(given: Mapping[str, Any], where: str) -> Part:
    if not isinstance(given.get("refusal"), str):
        raise InvalidRequest(f"{where}.refusal: expected text")
    return Text(given["refusal"])


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
    "refusal": _refusal_part,
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
        arguments = _parsed(arguments)
    if not isinstance(arguments, Mapping):
        raise InvalidRequest(f"{where}.function.arguments: expected a JSON object")
    return ToolCall(id=id_, name=function["name"], arguments=arguments)


def _parsed(arguments: str) -> Any:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return None  # raised by the caller, out of the handler: the error here holds the text


def _check_parts(message: Message, i: int) -> None:
    allowed = _ALLOWED_PARTS.get(message.role) if isinstance(message.role, str) else None
    if allowed is None:
        known = ", ".join(_ALLOWED_PARTS)
        raise InvalidRequest(f"messages[{i}].role: found {_shown(message.role)}; known roles: {known}")
    if isinstance(message.parts, str):
        raise InvalidRequest(f"messages[{i}].parts: expected parts such as (Text(…),), found a text alone")
    if not isinstance(message.parts, Sequence) or all(
        isinstance(one, Text) and one.text == "" for one in message.parts
    ):
        raise InvalidRequest(f"messages[{i}]: the {message.role} message is empty")
    for j, part in enumerate(message.parts):
        where = f"messages[{i}].parts[{j}]"
        if not isinstance(part, allowed):
            owner = next((role for role, kinds in _ALLOWED_PARTS.items() if isinstance(part, kinds)), None)
            hint = f"; it goes into a message of the role {owner}" if owner else ""
            raise InvalidRequest(f"{where}: a {message.role} message cannot hold {type(part).__name__}{hint}")
        _check_part(part, where)


def _check_part(part: Part, where: str) -> None:
    if isinstance(part, Text | Reasoning):
        if not isinstance(part.text, str):
            raise InvalidRequest(f"{where}.text: expected text, found {type(part.text).__name__}")
    elif isinstance(part, Media):
        _check_media(part, where)
    elif isinstance(part, ToolCall):
        _check_json(part.arguments, f"{where}.arguments")
    else:
        _check_result(part, where)


def _check_result(result: ToolResult, where: str) -> None:
    if isinstance(result.content, str):
        return
    if not isinstance(result.content, Sequence):
        found = type(result.content).__name__
        raise InvalidRequest(f"{where}.content: expected text or parts, found {found}; json.dumps makes text of it")
    for j, part in enumerate(result.content):
        if not isinstance(part, Text | Media):
            raise InvalidRequest(f"{where}.content[{j}]: a tool result cannot hold {type(part).__name__}")
        _check_part(part, f"{where}.content[{j}]")


def _check_json(value: Any, where: str) -> None:
    """A mapping that can be written as a JSON object."""
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{where}: expected a JSON object, found {type(value).__name__}")
    try:
        orjson.dumps(dict(value))
    except TypeError:
        failed = True
    else:
        failed = False
    if failed:  # out of the handler, as in `_parsed`
        raise InvalidRequest(f"{where}: it holds what JSON cannot")


def _check_media(media: Media, where: str) -> None:
    if sum(value is not None for value in (media.url, media.data, media.file_id)) != 1:
        raise InvalidRequest(f"{where}: Media takes exactly one of url, data and file_id")
    if not isinstance(media.media_type, str) or not _MEDIA_TYPE.fullmatch(media.media_type):
        found = _shown(media.media_type)
        raise InvalidRequest(f"{where}.media_type: expected a type such as image/png, found {found}")
    if media.data is not None and not isinstance(media.data, bytes):
        hint = "; base64.b64decode makes bytes of base64" if isinstance(media.data, str) else ""
        raise InvalidRequest(f"{where}.data: expected bytes, found {type(media.data).__name__}{hint}")
    if media.url is not None and not str(media.url).lower().startswith(("https://", "http://")):
        raise InvalidRequest(f"{where}.url: expected an http or https URL; pass bytes as data=")


def _check_tools(history: tuple[Message, ...]) -> None:
    open_calls: dict[str, int] = {}
    answered: set[str] = set()
    for i, message in enumerate(history):
        for part in message.parts:
            if isinstance(part, ToolCall):
                open_calls[part.id] = i
            elif isinstance(part, ToolResult):
                if part.id not in open_calls:
                    raise InvalidRequest(f"messages[{i}]: {_no_call(part.id, open_calls, answered)}")
                open_calls.pop(part.id)
                answered.add(part.id)
    for id_, i in open_calls.items():
        if i < len(history) - 1:
            result = "append a tool message with its ToolResult"
            raise InvalidRequest(f"messages[{i}]: tool call {_shown(id_)} has no result; {result}")


def _no_call(id_: str, open_calls: Iterable[str], answered: AbstractSet[str]) -> str:
    if id_ in answered:
        return f"tool result {_shown(id_)} is there twice"
    ids = ", ".join(map(_shown, open_calls))
    hint = f"its id is none of {ids}" if ids else "the reply's message goes before it"
    return f"tool result {_shown(id_)} has no call before it; {hint}"


def tools(given: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Tools as values; mappings in the `{"type": "function", "function": {...}}` form are read. Names are unique."""
    if given is not None and (isinstance(given, str | Mapping) or not isinstance(given, Iterable)):
        raise InvalidRequest(f"tools: expected a list, found {type(given).__name__}")
    found = tuple([_tool(tool, f"tools[{i}]") for i, tool in enumerate(given or ())])
    names = [tool.name for tool in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"tools: {_shown(twice)} is there twice")
    return found


def _tool(given: Any, where: str) -> Tool:
    tool = given if isinstance(given, Tool) else _read_tool(given, where)
    if not isinstance(tool.name, str) or not tool.name:
        raise InvalidRequest(f"{where}.name: expected the tool's name")
    if not _TOOL_NAME.fullmatch(tool.name):
        raise InvalidRequest(f"{where}.name: expected up to 128 letters, digits and any of _ - . :, without spaces")
    _check_parameters(tool.parameters, f"{where}.parameters")
    return tool


def _check_parameters(given: Any, where: str) -> None:
    if isinstance(given, type) and hasattr(given, "model_json_schema"):
        name = given.__name__
        raise InvalidRequest(f"{where}: expected a JSON Schema, found a class; write {name}.model_json_schema()")
    _check_json(given, where)
    kind = given.get("type")
    is_object = "object" in (kind if isinstance(kind, list | tuple) else (kind,))
    if not is_object and (kind is not None or (given and _SCHEMA_KEYS.isdisjoint(given))):
        example = "{'type': 'object', 'properties': {…}}"
        raise InvalidRequest(f"{where}: expected the JSON Schema of an object, such as {example}")


def _read_tool(given: Any, where: str) -> Tool:
    if not isinstance(given, Mapping):
        found = type(given).__name__
        raise InvalidRequest(f"{where}: expected Tool(name=…, description=…, parameters=…) or a mapping, found {found}")
    function = given.get("function", given)
    if not isinstance(function, Mapping):
        raise InvalidRequest(f"{where}.function: expected name, description and parameters")
    foreign = next((key for key in _PARAMETERS_ELSEWHERE if key in function), None)
    if foreign is not None:
        raise InvalidRequest(f"{where}.{foreign}: the schema of a tool's arguments is called 'parameters' here")
    return Tool(
        name=function.get("name", ""),
        description=str(function.get("description") or ""),
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
        strict=function.get("strict"),
    )


def texts(name: str, given: Sequence[str] | str) -> tuple[str, ...]:
    """Texts to embed or documents to rank: at least one, none of them empty."""
    if isinstance(given, bytes | bytearray | Mapping | AbstractSet) or not isinstance(given, Iterable):
        raise InvalidRequest(f"{name}: expected a list of texts, found {type(given).__name__}")
    found = (given,) if isinstance(given, str) else tuple(given)
    if not found:
        raise InvalidRequest(f"{name}: empty")
    for i, text in enumerate(found):
        if not isinstance(text, str):
            raise InvalidRequest(f"{name}[{i}]: expected text, found {type(text).__name__}")
        if not text:
            raise InvalidRequest(f"{name}[{i}]: the text is empty")
    return found
