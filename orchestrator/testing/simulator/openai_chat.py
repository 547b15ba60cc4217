"""Chat completions of OpenAI's API: what is asked, and how it is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orchestrator.testing.simulator.answers import call_pieces, count_tokens, tokenize
from orchestrator.testing.simulator.asks import ChatAsk, ChatMade, Frames, Turn, Usage
from orchestrator.testing.simulator.checks import expect, integer, known_fields, number, objects, text_of

__all__ = ["UNKNOWN_FIELD", "chat_frames", "completion", "event", "read_chat"]

_CHAT_FIELD_NAMES = (
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages "
    "metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier "
    "stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options"
)
_CHAT_FIELDS = frozenset(_CHAT_FIELD_NAMES.split())
_ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})

UNKNOWN_FIELD = "Unrecognized request argument supplied: {name}"
"""The complaint about a field that the API does not have."""


def read_chat(body: dict[str, Any]) -> ChatAsk:
    """Check a request as the vendor does.

    Raises:
        Refused: it would not be processed.
    """
    known_fields(body, _CHAT_FIELDS, UNKNOWN_FIELD)
    messages = objects(body.get("messages"), "messages")
    _check_messages(messages)
    number(body, "temperature", 0, 2)
    number(body, "top_p", 0, 1)
    both = body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None
    expect(not both, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    options = body.get("stream_options")
    expect(options is None or body.get("stream"), "stream_options is only allowed with stream", param="stream_options")
    tools = _read_tools(body)
    stop = body.get("stop") or ()
    return ChatAsk(
        model=body["model"],
        turns=[Turn(message["role"], _message_text(message)) for message in messages],
        raw=body,
        tools=tools,
        must_call=_must_call(body, tools),
        schema=_schema(body.get("response_format")),
        max_tokens=integer(body, "max_completion_tokens") or integer(body, "max_tokens"),
        stop=[stop] if isinstance(stop, str) else stop,
        reasoning=body.get("reasoning_effort") not in (None, "none", "minimal"),
        stream=bool(body.get("stream")),
        include_usage=bool((options or {}).get("include_usage")) or not body.get("stream"),
        choices=integer(body, "n") or 1,
        images=sum(_images(message) for message in messages),
        cacheable=range(1, len(messages) + 1),
    )


def _check_messages(messages: list[dict[str, Any]]) -> None:
    """Roles, and that every tool call has its result right behind it."""
    waiting: set[Any] = set()
    for index, message in enumerate(messages):
        role, place = message.get("role"), f"messages[{index}]"
        expect(role in _ROLES, f"Invalid value for '{place}.role'", param=f"{place}.role", code="invalid_value")
        if role == "tool":
            known = message.get("tool_call_id") in waiting
            expect(known, "A message with role 'tool' must answer a preceding message with 'tool_calls'.", param=place)
            waiting.discard(message["tool_call_id"])
            continue
        _check_answered(waiting, place)
        _check_content(message, place)
        if role == "assistant":
            waiting = {call.get("id") for call in message.get("tool_calls") or ()}
    _check_answered(waiting, f"messages[{len(messages) - 1}]")


def _check_answered(waiting: set[Any], place: str) -> None:
    expect(not waiting, "Each id in 'tool_calls' must be followed by a tool message that answers it.", param=place)


def _check_content(message: Mapping[str, Any], place: str) -> None:
    content = message.get("content")
    empty_allowed = message["role"] == "assistant" and (message.get("tool_calls") or message.get("refusal"))
    right = isinstance(content, str) or (isinstance(content, list) and content) or (content is None and empty_allowed)
    expect(right, f"Invalid value for '{place}.content': expected a string or parts", param=f"{place}.content")


def _message_text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    texts = [content if isinstance(content, str) else text_of(content or (), "text", "refusal")]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        texts.append(f"{function.get('name', '')} {function.get('arguments', '')}")
    return "\n".join(text for text in texts if text)


def _images(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    parts: Iterable[Any] = content if isinstance(content, list) else ()
    return sum(isinstance(part, dict) and part.get("type") in ("image_url", "input_audio", "file") for part in parts)


def _read_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    if body.get("tools") is None:
        return {}
    tools = {}
    for index, tool in enumerate(objects(body["tools"], "tools")):
        function = tool.get("function")
        named = tool.get("type") == "function" and isinstance(function, dict) and isinstance(function.get("name"), str)
        expect(named, f"Missing required parameter: 'tools[{index}].function.name'.", param=f"tools[{index}].function")
        tools[tool["function"]["name"]] = tool["function"].get("parameters") or {}
    return tools


def _must_call(body: Mapping[str, Any], tools: Mapping[str, Any]) -> str | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    expect(tools, "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        expect(name in tools, "Tool choice: the function is not among the 'tools'.", param="tool_choice")
        return str(name)
    expect(choice in ("auto", "none", "required"), "Invalid value for 'tool_choice'.", param="tool_choice")
    return "" if choice == "required" else None


def _schema(wanted: Any) -> Mapping[str, Any] | None:
    kind = (wanted or {}).get("type", "text")
    expect(kind in ("text", "json_object", "json_schema"), "Invalid 'response_format.type'.", param="response_format")
    if kind == "json_schema":
        schema = wanted.get("json_schema") or {}
        expect(
            "name" in schema, "Missing required parameter: 'response_format.json_schema.name'.", param="response_format"
        )
        return schema.get("schema") or {"type": "object"}
    return {"type": "object", "properties": {"answer": {"type": "string"}}} if kind == "json_object" else None


def _base(made: ChatMade, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{made.number}",
        "object": kind,
        "created": made.created,
        "model": made.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def completion(made: ChatMade) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": made.answer.text if made.answer.text or not made.answer.calls else None,
        "refusal": None,
        "annotations": [],
    }
    calls = [_call_head(made, index) for index in range(len(made.answer.calls))]
    for call, said in zip(calls, made.answer.calls, strict=True):
        call["function"]["arguments"] = "".join(call_pieces(said))
    if calls:
        message["tool_calls"] = calls
    choice = {"message": message, "logprobs": None, "finish_reason": made.answer.finish}
    count = 0 if made.flaw == "no_choices" else made.ask.choices
    body = _base(made, "chat.completion") | {"choices": [{"index": index, **choice} for index in range(count)]}
    return body if made.flaw == "no_usage" else body | {"usage": _usage(made.usage)}


def _call_head(made: ChatMade, index: int) -> dict[str, Any]:
    function = {"name": made.answer.calls[index].name, "arguments": ""}
    return {"id": f"call_{made.number}{index}", "type": "function", "function": function}


def _deltas(made: ChatMade) -> Iterable[tuple[dict[str, Any], str | None, int]]:
    """Delta, finish reason and tokens of each chunk of one choice. Hidden reasoning rides on the first."""
    said = made.answer
    content = None if said.calls and not said.text else ""
    yield {"role": "assistant", "content": content, "refusal": None}, None, count_tokens(said.reasoning)
    for piece in tokenize(said.text):
        yield {"content": piece}, None, 1
    for index, call in enumerate(said.calls):
        yield {"tool_calls": [{"index": index, **_call_head(made, index)}]}, None, count_tokens(call.name)
        for piece in call_pieces(call):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None, 1
    yield {}, said.finish, 0


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat_frames(made: ChatMade) -> tuple[Frames, str]:
    """The events of a streamed answer, and the response id in them."""
    base = _base(made, "chat.completion.chunk")
    if made.ask.include_usage:
        base["usage"] = None
    frames: Frames = []
    for index in range(0 if made.flaw == "no_choices" else made.ask.choices):
        for delta, finish, tokens in _deltas(made):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            frames.append((event({**base, "choices": [choice]}), tokens))
    if made.ask.include_usage and made.flaw != "no_usage":
        frames.append((event({**base, "choices": [], "usage": _usage(made.usage)}), 0))
    frames.append((b"data: [DONE]\n\n", 0))
    return frames, base["id"]


def event(value: dict[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: %b\n\n" % orjson.dumps(value)
