"""Anthropic's API: messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from orchestrator.testing.simulator.answers import count_tokens, tokenize
from orchestrator.testing.simulator.asks import (
    Ask,
    ChatAsk,
    ChatMade,
    Complaints,
    Dimension,
    Frames,
    Level,
    Made,
    Refused,
    Turn,
    Usage,
)
from orchestrator.testing.simulator.checks import expect, integer, known_fields, number, objects, text_of
from orchestrator.types.call import Task

__all__ = ["AnthropicShape"]

_FIELD_NAMES = (
    "cache_control container context_management diagnostics inference_geo max_tokens mcp_servers messages metadata "
    "model output_config output_format service_tier speed stop_sequences stream system temperature thinking "
    "tool_choice tools top_k top_p user_profile_id workspace_id"
)
_FIELDS = frozenset(_FIELD_NAMES.split())
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}

_COMPLAINTS: Complaints = {
    "bad_json": (400, "The request body is not valid JSON", None),
    "missing_key": (401, "x-api-key header is required", None),
    "no_such_path": (404, "Not Found", None),
    "rate_limit": (429, "This request would exceed the rate limit of {limit} {dimension} per minute", None),
    "too_big": (429, "This request by itself exceeds the rate limit of {limit} {dimension} per minute", None),
    "too_long": (400, "prompt is too long: {tokens} tokens > {limit} maximum", None),
    "too_many": (429, "Number of concurrent connections exceeds the limit of {limit}", None),
    "unknown_model": (404, "model: {model}", None),
    "wrong_key": (401, "invalid x-api-key", None),
}


class AnthropicShape:
    """See `WireShape`."""

    name = "anthropic"
    keepalive = b'event: ping\ndata: {"type": "ping"}\n\n'
    bills_cache_writes = True
    complaints = _COMPLAINTS

    def task(self, path: str) -> Task | None:
        """See `WireShape.task`."""
        return "chat" if path == "/v1/messages" else None

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """See `WireShape.credential`."""
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if key and "anthropic-version" not in headers:
            raise Refused(400, "anthropic-version: header is required")
        return key or None

    def read(self, task: Task, body: dict[str, Any]) -> Ask:
        """See `WireShape.read`."""
        known_fields(body, _FIELDS, "{name}: Extra inputs are not permitted")
        for name in ("model", "messages", "max_tokens"):
            expect(body.get(name) is not None, f"{name}: Field required")
        messages = objects(body["messages"], "messages")
        _check_messages(messages)
        number(body, "temperature", 0, 1)
        number(body, "top_p", 0, 1)
        max_tokens = integer(body, "max_tokens")
        tools = _read_tools(body)
        turns = _read_turns(body, messages)
        return ChatAsk(
            model=body["model"],
            turns=turns,
            raw=body,
            tools=tools,
            must_call=_must_call(body, tools),
            schema=_schema(body),
            max_tokens=max_tokens,
            stop=body.get("stop_sequences") or (),
            reasoning=_thinks(body.get("thinking") or {}, max_tokens or 0),
            stream=bool(body.get("stream")),
            images=sum(
                block.get("type") in ("image", "document") for message in messages for block in _blocks(message)
            ),
            cacheable=_cacheable(body, messages),
        )

    def write(self, made: Made) -> tuple[bytes, str | None]:
        """See `WireShape.write`."""
        if not isinstance(made, ChatMade):
            raise TypeError("Anthropic has chat only")
        body = _message(made) | {
            "content": [] if made.flaw == "no_choices" else list(_content(made)),
            "stop_reason": _STOP_REASONS[made.answer.finish or "stop"],
        }
        if made.flaw != "no_usage":
            body["usage"] = _usage(made.usage, made.usage.output_tokens)
        return orjson.dumps(body), body["id"]

    def frames(self, made: ChatMade) -> tuple[Frames, str]:
        """See `WireShape.frames`."""
        start = _message(made)
        end: dict[str, Any] = {
            "delta": {"stop_reason": _STOP_REASONS[made.answer.finish or "stop"], "stop_sequence": None}
        }
        if made.flaw != "no_usage":
            start["usage"] = _usage(made.usage, min(1, made.usage.output_tokens))
            end["usage"] = {"output_tokens": made.usage.output_tokens}
        frames: Frames = [(_event("message_start", message=start), 0)]
        for index, block in enumerate(() if made.flaw == "no_choices" else _content(made)):
            frames += _block_frames(index, block)
            if index == 0:
                frames.insert(2, (self.keepalive, 0))
        return [*frames, (_event("message_delta", **end), 0), (_event("message_stop"), 0)], start["id"]

    def refusal(self, refused: Refused, request_id: str) -> bytes:
        """See `WireShape.refusal`. A code that is no error type goes into the details."""
        kind = _TYPES.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error")
        error: dict[str, Any] = {"type": kind, "message": refused.message}
        if refused.code and refused.code.endswith("_error"):
            error["type"] = refused.code
        elif refused.code:
            error["details"] = {"error_code": refused.code}
        return orjson.dumps({"type": "error", "error": error, "request_id": request_id})

    def stream_error(self, request_id: str) -> bytes:
        """See `WireShape.stream_error`."""
        return _event("error", error={"type": "overloaded_error", "message": "Overloaded"}, request_id=request_id)

    def models(self, names: Sequence[str]) -> bytes:
        """See `WireShape.models`."""
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
        ]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return orjson.dumps({"data": rows, "has_more": False, **ends})

    def headers(self, request_id: str, levels: Mapping[Dimension, Level], now: float) -> dict[str, str]:
        """See `WireShape.headers`."""
        headers = {"request-id": request_id}
        for name, level in levels.items():
            full = datetime.fromtimestamp(now, UTC) + timedelta(seconds=level.reset_s)
            headers[f"anthropic-ratelimit-{name}-limit"] = str(level.limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(level.remaining)
            headers[f"anthropic-ratelimit-{name}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
        return headers


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _check_messages(messages: list[dict[str, Any]]) -> None:
    """Roles, blocks, and that each tool use has its result in the very next message."""
    waiting: set[Any] = set()
    for index, message in enumerate(messages):
        place = f"messages.{index}"
        expect(
            message.get("role") in ("user", "assistant", "system"),
            f"{place}.role: Input should be 'user' or 'assistant'",
        )
        blocks = _blocks(message)
        expect(blocks or message["role"] == "assistant", f"{place}: all messages must have non-empty content")
        empty = any(block.get("type") == "text" and not block.get("text") for block in blocks)
        expect(not empty, f"{place}: text content blocks must be non-empty")
        results = {block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"}
        expect(results <= waiting, f"{place}: unexpected `tool_use_id` in `tool_result` blocks")
        expect(waiting <= results, f"{place}: `tool_use` ids were found without `tool_result` blocks after them")
        waiting = {block.get("id") for block in blocks if block.get("type") == "tool_use"}
    expect(not waiting, "messages: `tool_use` ids were found without `tool_result` blocks after them")


def _read_turns(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> list[Turn]:
    system = body.get("system")
    text = system if isinstance(system, str) else text_of(system or (), "text")
    turns = [Turn("system", text)] if text else []
    return turns + [Turn(message["role"], _text(message)) for message in messages]


def _text(message: Mapping[str, Any]) -> str:
    texts = []
    for block in _blocks(message):
        texts.append(text_of([block], "text", "thinking"))
        if block.get("type") == "tool_use":
            texts.append(f"{block.get('name', '')} {orjson.dumps(block.get('input')).decode()}")
        elif block.get("type") == "tool_result":
            texts.append(text_of(_blocks(block), "text"))
    return "\n".join(text for text in texts if text)


def _cacheable(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> list[int]:
    """Turns up to each cache mark. Anthropic caches only what is marked."""
    system = body.get("system")
    lead = 1 if system else 0
    marked = [lead] if isinstance(system, list) and any("cache_control" in block for block in system) else []
    for index, message in enumerate(messages, 1):
        if any("cache_control" in block for block in _blocks(message)):
            marked.append(lead + index)
    return [*marked, lead + len(messages)] if "cache_control" in body else marked


def _read_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    if body.get("tools") is None:
        return {}
    tools = {}
    for index, tool in enumerate(objects(body["tools"], "tools")):
        expect(isinstance(tool.get("name"), str), f"tools.{index}.name: Field required")
        vendors_own = tool.get("type", "custom") != "custom"
        expect(vendors_own or isinstance(tool.get("input_schema"), dict), f"tools.{index}.input_schema: Field required")
        tools[tool["name"]] = tool.get("input_schema") or {}
    return tools


def _must_call(body: Mapping[str, Any], tools: Mapping[str, Any]) -> str | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    kind = choice.get("type") if isinstance(choice, dict) else None
    expect(kind in ("auto", "any", "tool", "none"), "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    expect(tools, "tool_choice: may only be specified while providing tools")
    if kind == "tool":
        expect(choice.get("name") in tools, "tool_choice: the tool was not found in provided tools")
        return str(choice["name"])
    return "" if kind == "any" else None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if wanted is None:
        return None
    right = isinstance(wanted, dict) and wanted.get("type") == "json_schema" and isinstance(wanted.get("schema"), dict)
    expect(right, "output_config.format: Input should have type 'json_schema' and a schema")
    return dict(wanted["schema"])


def _thinks(thinking: Mapping[str, Any], max_tokens: int) -> bool:
    kind = thinking.get("type", "disabled")
    if kind == "enabled":
        budget = integer(thinking, "budget_tokens", low=1024)
        expect(budget is not None, "thinking.enabled.budget_tokens: Field required")
        expect(budget is None or budget < max_tokens, "`max_tokens` must be greater than `thinking.budget_tokens`")
    return bool(kind != "disabled")


def _message(made: ChatMade) -> dict[str, Any]:
    return {
        "model": made.model,
        "id": f"msg_{made.number}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _content(made: ChatMade) -> Iterable[dict[str, Any]]:
    said = made.answer
    if said.reasoning:
        yield {"type": "thinking", "thinking": said.reasoning, "signature": f"sim{made.number}"}
    if said.text or not said.calls:
        yield {"type": "text", "text": said.text}
    for index, call in enumerate(said.calls):
        yield {
            "type": "tool_use",
            "id": f"toolu_{made.number}{index}",
            "name": call.name,
            "input": call.arguments or {},
        }


def _block_frames(index: int, block: dict[str, Any]) -> Frames:
    """Start, deltas and stop of one content block."""
    empty: dict[str, Any]
    match block["type"]:
        case "thinking":
            empty, deltas = {"thinking": "", "signature": ""}, _text_deltas("thinking", block["thinking"])
            deltas.append(({"type": "signature_delta", "signature": block["signature"]}, 0))
        case "text":
            empty, deltas = {"text": ""}, _text_deltas("text", block["text"])
        case _:
            empty, deltas = {"input": {}}, _input_deltas(block)
    start = _event("content_block_start", index=index, content_block={**block, **empty})
    frames = [(_event("content_block_delta", index=index, delta=delta), tokens) for delta, tokens in deltas]
    return [(start, 0), *frames, (_event("content_block_stop", index=index), 0)]


def _text_deltas(kind: str, text: str) -> list[tuple[dict[str, Any], int]]:
    return [({"type": f"{kind}_delta", kind: piece}, 1) for piece in tokenize(text)]


def _input_deltas(block: Mapping[str, Any]) -> list[tuple[dict[str, Any], int]]:
    # The vendor begins with an empty fragment; the name's tokens ride on it.
    pieces = tokenize(orjson.dumps(block["input"]).decode())
    fragments = [("", count_tokens(block["name"])), *((piece, 1) for piece in pieces)]
    return [({"type": "input_json_delta", "partial_json": piece}, tokens) for piece, tokens in fragments]


def _usage(usage: Usage, output_tokens: int) -> dict[str, Any]:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "input_tokens": usage.input_tokens - cached,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
