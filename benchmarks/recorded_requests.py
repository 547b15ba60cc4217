"""Reads recorded requests, in the vendors' own dialects, as the requests of ours that estimates are made from.

Only what an estimate looks at is read: texts, media, tools, schemas. A request that refers to what the vendor keeps (an
earlier response, a stored prompt, a cache) is none that anybody could estimate, nor one whose tools run at the vendor.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.types.chat import (
    ChatRequest,
    Media,
    Message,
    OutputSchema,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from orchestrator.types.retrieval import EmbedRequest, RerankRequest

__all__ = ["read_request"]

_KEPT_ELSEWHERE = frozenset({"previous_response_id", "conversation", "prompt", "cachedContent", "cached_content"})

Json = Mapping[str, Any]


def read_request(task: str, dialect: str, body: Json) -> Any:
    """The request as a codec would have got it; None if it cannot be estimated."""
    if any(body.get(key) for key in _KEPT_ELSEWHERE):
        return None
    if task == "embed":
        return EmbedRequest(texts=tuple(_texts(body)))
    if task == "rerank":
        return RerankRequest(
            query=str(body.get("query", "")), documents=tuple(map(_plain, body.get("documents") or ()))
        )
    tools = list(_tools(body))
    if None in tools:
        return None
    messages = tuple(_messages(dialect, body))
    return ChatRequest(messages=messages, tools=tuple(one for one in tools if one), output=_schema(body))


def _texts(body: Json) -> Iterator[str]:
    for key in ("input", "texts", "inputText", "requests", "instances"):
        found = body.get(key)
        for one in [found] if isinstance(found, str) else found or ():
            yield _plain(one)


def _plain(value: Any) -> str:
    """The text somewhere in a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_plain, value))
    if isinstance(value, dict):
        return "".join(_plain(value[key]) for key in ("text", "content", "parts") if key in value)
    return ""


def _messages(dialect: str, body: Json) -> Iterator[Message]:
    for key in ("system", "systemInstruction", "system_instruction", "instructions", "preamble"):
        if text := _plain(body.get(key)):
            yield Message("system", (Text(text),))
    if isinstance(body.get("message"), str):  # Cohere's first API
        yield Message("user", (Text(body["message"]),))
    turns = body.get("messages") or body.get("contents") or body.get("input") or body.get("chat_history") or ()
    for turn in [{"content": turns}] if isinstance(turns, str) else turns if isinstance(turns, list) else [turns]:
        if isinstance(turn, dict):
            parts = tuple(_turn(turn))
            if parts or dialect != "openai-responses":
                yield Message("user", parts)


def _turn(turn: Json) -> Iterator[Part]:
    role, kind = turn.get("role"), turn.get("type")
    if kind in ("function_call_output", "custom_tool_call_output") or role == "tool":
        content = turn.get("output") if role != "tool" else turn.get("content")
        yield ToolResult(id="r", content=tuple(_parts(content)))  # type: ignore[arg-type]
        return
    yield from _one(turn) if kind in ("function_call", "reasoning") else ()
    for key in ("reasoning_content", "tool_plan"):
        if isinstance(turn.get(key), str):
            yield Reasoning(turn[key])
    yield from _parts(turn.get("content", turn.get("parts", turn.get("message"))))
    for call in turn.get("tool_calls") or ():
        yield _call(call.get("function") or call)
    for image in turn.get("images") or ():
        yield Media(media_type="image/*", data=_bytes(image))


def _parts(content: Any) -> Iterator[Part]:
    for one in [content] if isinstance(content, str | dict) else content or ():
        yield from (Text(one),) if isinstance(one, str) else _one(one)


def _one(block: Json) -> Iterator[Part]:
    kind = block.get("type")
    call = (
        block.get("toolUse") or block.get("functionCall") or (block if kind in ("tool_use", "function_call") else None)
    )
    result = block.get("toolResult") or block.get("functionResponse") or (block if kind == "tool_result" else None)
    thought = (
        block.get("thinking")
        or (block.get("reasoningContent") or {}).get("reasoningText")
        or (block.get("summary") if kind == "reasoning" else None)
    )
    if call:
        yield _call(call)
    elif result:
        content = result.get("content", result.get("response"))
        yield ToolResult(id="r", content=tuple(_parts(content)) or json.dumps(content))  # type: ignore[arg-type]
    elif thought:
        yield Reasoning(_plain(thought))
    elif (media := _media(block)) is not None:
        yield media
    elif isinstance(block.get("text"), str):
        yield Text(block["text"])
    elif "json" in block:
        yield Text(json.dumps(block["json"]))


def _call(call: Json) -> ToolCall:
    arguments = call.get("arguments", call.get("input", call.get("args")))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except json.JSONDecodeError:
            arguments = {"": arguments}
    return ToolCall(id="c", name=str(call.get("name", "")), arguments=arguments if isinstance(arguments, dict) else {})


_MEDIA: Mapping[str, str] = {
    "image": "image/*",
    "image_url": "image/*",
    "input_image": "image/*",
    "document": "application/pdf",
    "document_url": "application/pdf",
    "file": "application/pdf",
    "input_file": "application/pdf",
    "input_audio": "audio/*",
    "video": "video/*",
}
_NAMES = ("inlineData", "inline_data", "fileData", "file_data")


def _media(block: Json) -> Media | None:
    """What is no text, by its type where it is told, and its bytes where it has them."""
    place = next((block[name] for name in _NAMES if isinstance(block.get(name), dict)), None)
    if place is not None:
        type_ = str(place.get("mimeType") or place.get("mime_type") or "image/*")
        return Media(media_type=type_, data=_bytes(place.get("data")), url=place.get("fileUri"))
    kind = block.get("type") or next((name for name in ("image", "document", "video") if name in block), None)
    if kind not in _MEDIA:
        return None
    inner = block.get(kind) if isinstance(block.get(kind), dict) else block
    source = inner.get("source") if isinstance(inner.get("source"), dict) else inner
    if source.get("type") == "text" or "text" in source:
        return Media(media_type="text/plain", data=_plain(source.get("data") or source.get("text")).encode())
    link = next((one for name in ("image_url", "url", "file_url", "document_url") if (one := source.get(name))), None)
    link = link.get("url") if isinstance(link, dict) else link
    data = source.get("data") or source.get("bytes") or source.get("file_data")
    if isinstance(link, str) and link.startswith("data:"):
        data, link = link, None
    if isinstance(data, str) and data.startswith("data:"):
        data = data.partition(",")[2]
    type_ = source.get("media_type") or _MEDIA[kind]
    return Media(media_type=type_, data=_bytes(data), url=link if isinstance(link, str) else None)


def _bytes(data: Any) -> bytes | None:
    try:
        return base64.b64decode(data, validate=False) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        return None


def _tools(body: Json) -> Iterator[Tool | None]:
    """Functions; None for a tool that runs at the vendor."""
    listed: Iterable[Any] = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or ()
    for entry in listed:
        if not isinstance(entry, dict):
            yield None
        elif "cachePoint" not in entry:
            declared = entry.get("functionDeclarations") or entry.get("function_declarations")
            own = entry.get("type") in (None, "function", "custom")
            for one in declared or [entry.get("function") or entry.get("toolSpec") or entry]:
                yield _tool(one) if own and "name" in one else None


def _tool(one: Json) -> Tool:
    schema: Any = next((one[key] for key in _SCHEMAS if isinstance(one.get(key), dict)), {})
    return Tool(name=one["name"], description=str(one.get("description") or ""), parameters=schema.get("json", schema))


_SCHEMAS = (
    "parameters",
    "input_schema",
    "inputSchema",
    "parametersJsonSchema",
    "parameters_json_schema",
    "parameter_definitions",
)


def _schema(body: Json) -> OutputSchema | None:
    config = body.get("generationConfig") or {}
    places = (
        (body.get("response_format") or {}).get("json_schema", {}).get("schema"),
        (body.get("response_format") or {}).get("schema"),
        ((body.get("text") or {}).get("format") or {}).get("schema"),
        ((body.get("output_config") or {}).get("format") or {}).get("schema"),
        (body.get("output_format") or {}).get("schema"),
        config.get("responseJsonSchema") or config.get("responseSchema"),
        body.get("format") if isinstance(body.get("format"), dict) else None,
    )
    found = next((one for one in places if isinstance(one, dict)), None)
    return None if found is None else OutputSchema(name="answer", schema=found)
