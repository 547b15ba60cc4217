"""Cohere's API, version 2: chat, embed, rerank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from orchestrator.testing.simulator.answers import call_pieces, count_tokens, tokenize
from orchestrator.testing.simulator.asks import (
    Ask,
    ChatAsk,
    ChatMade,
    Complaints,
    Dimension,
    EmbedAsk,
    EmbedMade,
    Frames,
    Level,
    Made,
    Refused,
    RerankAsk,
    RerankMade,
    Turn,
    Usage,
)
from orchestrator.testing.simulator.checks import expect, integer, number, objects, text_of
from orchestrator.testing.simulator.vectors import packed
from orchestrator.types.call import Task

__all__ = ["CohereShape"]

_TASKS: dict[str, Task] = {"/v2/chat": "chat", "/v2/embed": "embed", "/v2/rerank": "rerank"}
_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "ERROR"}
_INPUT_TYPES = ("search_document", "search_query", "classification", "clustering", "image")
_META = {"api_version": {"version": "2"}}


def _bits(vector: Sequence[float]) -> list[int]:
    padded = [*vector, *([0.0] * (-len(vector) % 8))]
    signs = [value > 0 for value in padded]
    return [sum(signs[at + bit] << (7 - bit) for bit in range(8)) for at in range(0, len(signs), 8)]


_FORMS: dict[str, Callable[[Sequence[float]], Any]] = {
    "float": list,
    "base64": packed,
    "int8": lambda vector: [round(value * 127) for value in vector],
    "uint8": lambda vector: [round(value * 127) + 128 for value in vector],
    "binary": lambda vector: [value - 128 for value in _bits(vector)],
    "ubinary": _bits,
}

_COMPLAINTS: Complaints = {
    "bad_json": (400, "invalid request: the body is not valid JSON", None),
    "missing_key": (401, "no api key supplied", None),
    "no_such_path": (404, "{method} {path} not found", None),
    "rate_limit": (429, "You are past the rate limit of {limit} {dimension} per minute.", None),
    "too_big": (429, "This request is past the rate limit of {limit} {dimension} per minute.", None),
    "too_long": (400, "too many tokens: {tokens} tokens, of {limit} at the most", None),
    "too_many": (429, "More than {limit} requests at the same time.", None),
    "unknown_model": (404, "model '{model}' not found", None),
    "wrong_key": (401, "invalid api token", None),
}


class CohereShape:
    """See `WireShape`. Unknown fields are ignored."""

    name = "cohere"
    keepalive = b": keep-alive\n\n"
    bills_cache_writes = False
    complaints = _COMPLAINTS

    def task(self, path: str) -> Task | None:
        """See `WireShape.task`."""
        return _TASKS.get(path)

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """See `WireShape.credential`."""
        kind, _, key = headers.get("authorization", "").partition(" ")
        return key.strip() or None if kind.lower() == "bearer" else None

    def read(self, task: Task, body: dict[str, Any]) -> Ask:
        """See `WireShape.read`."""
        expect(isinstance(body.get("model"), str) and body["model"], "invalid request: model is required")
        match task:
            case "chat":
                return _read_chat(body)
            case "embed":
                return _read_embed(body)
            case _:
                return _read_rerank(body)

    def write(self, made: Made) -> tuple[bytes, str | None]:
        """See `WireShape.write`."""
        match made:
            case ChatMade():
                body = _chat(made)
            case EmbedMade():
                body = _embeddings(made)
            case RerankMade():
                body = _ranking(made)
        return orjson.dumps(body), body["id"]

    def frames(self, made: ChatMade) -> tuple[Frames, str]:
        """See `WireShape.frames`."""
        response_id = _uuid(made.number)
        empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        frames: Frames = [(_event("message-start", id=response_id, delta={"message": empty}), 0)]
        if made.flaw != "no_choices":
            frames += _message_frames(made)
        end: dict[str, Any] = {"finish_reason": _FINISH[made.answer.finish or "stop"]}
        if made.flaw != "no_usage":
            end["usage"] = _usage(made.usage)
        return [*frames, (_event("message-end", delta=end), 0), (b"data: [DONE]\n\n", 0)], response_id

    def refusal(self, refused: Refused, request_id: str) -> bytes:
        """See `WireShape.refusal`."""
        return orjson.dumps({"id": request_id, "message": refused.message})

    def stream_error(self, request_id: str) -> bytes:
        """See `WireShape.stream_error`. Cohere ends the message with the reason `ERROR`."""
        return _event("message-end", delta={"finish_reason": "ERROR", "error": "internal server error"})

    def models(self, names: Sequence[str]) -> bytes:
        """See `WireShape.models`."""
        return orjson.dumps({"models": [{"name": name, "endpoints": ["chat", "embed", "rerank"]} for name in names]})

    def headers(self, request_id: str, levels: Mapping[Dimension, Level], now: float) -> dict[str, str]:
        """See `WireShape.headers`. Cohere says nothing of its limits."""
        return {"x-debug-trace-id": request_id}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def _uuid(number: str) -> str:
    digits = number.rjust(32, "0")[-32:]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _read_chat(body: dict[str, Any]) -> ChatAsk:
    messages = objects(body.get("messages"), "messages")
    _check_messages(messages)
    number(body, "temperature", 0, 1)
    number(body, "p", 0, 1)
    tools = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in _tools(body)}
    choice = body.get("tool_choice")
    expect(choice in (None, "REQUIRED", "NONE"), "invalid request: tool_choice must be REQUIRED or NONE")
    expect(choice is None or tools, "invalid request: tool_choice can only be used with tools")
    contents = [message.get("content") for message in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]
    return ChatAsk(
        model=body["model"],
        turns=[Turn(message["role"], _text(message)) for message in messages],
        raw=body,
        tools=tools,
        must_call="" if choice == "REQUIRED" else None,
        schema=_schema(body.get("response_format") or {}),
        max_tokens=integer(body, "max_tokens"),
        stop=body.get("stop_sequences") or (),
        reasoning=(body.get("thinking") or {}).get("type") == "enabled",
        stream=bool(body.get("stream")),
        images=sum(part.get("type") == "image_url" for part in parts),
        cacheable=range(1, len(messages) + 1),
    )


def _tools(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not body.get("tools"):
        return []
    tools = objects(body["tools"], "tools")
    named = all(isinstance(tool.get("function"), dict) and tool["function"].get("name") for tool in tools)
    expect(named, "invalid request: each tool needs a function with a name")
    return tools


def _check_messages(messages: list[dict[str, Any]]) -> None:
    waiting: set[Any] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        known = role in ("user", "assistant", "system", "tool")
        expect(known, f"invalid request: message at index {index} has an unknown role")
        if role == "tool":
            expected = message.get("tool_call_id") in waiting
            expect(expected, f"invalid request: no tool call for the tool result in the message at index {index}")
            waiting.discard(message["tool_call_id"])
            continue
        expect(not waiting, "invalid request: all tool calls must have a tool result")
        filled = message.get("content") or message.get("tool_calls") or message.get("tool_plan")
        expect(filled, f"invalid request: message at index {index} must have content")
        waiting = {call.get("id") for call in message.get("tool_calls") or ()}
    expect(not waiting, "invalid request: all tool calls must have a tool result")


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    texts = [content if isinstance(content, str) else text_of(content or (), "text", "thinking")]
    texts += [_document_text(part) for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    texts.append(message.get("tool_plan") or "")
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        texts.append(f"{function.get('name', '')} {function.get('arguments', '')}")
    return "\n".join(text for text in texts if text)


def _document_text(part: Mapping[str, Any]) -> str:
    document = part.get("document")
    data = document.get("data") if isinstance(document, dict) else None
    return data if isinstance(data, str) else orjson.dumps(data).decode() if data else ""


def _schema(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if wanted.get("type", "text") == "text":
        return None
    expect(wanted["type"] == "json_object", "invalid request: response_format.type must be text or json_object")
    schema = wanted.get("json_schema") or wanted.get("schema")
    return schema or {"type": "object", "properties": {"answer": {"type": "string"}}}


def _chat(made: ChatMade) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": _uuid(made.number),
        "finish_reason": _FINISH[made.answer.finish or "stop"],
        "message": {"role": "assistant"} if made.flaw == "no_choices" else _message(made),
    }
    return body if made.flaw == "no_usage" else body | {"usage": _usage(made.usage)}


def _message(made: ChatMade) -> dict[str, Any]:
    said = made.answer
    message: dict[str, Any] = {"role": "assistant"}
    content = [{"type": "thinking", "thinking": said.reasoning}] if said.reasoning else []
    if said.calls:
        if said.text:
            message["tool_plan"] = said.text
        message["tool_calls"] = [_call(made, index) for index in range(len(said.calls))]
    else:
        content.append({"type": "text", "text": said.text})
    return message | {"content": content} if content else message


def _call(made: ChatMade, index: int, *, empty: bool = False) -> dict[str, Any]:
    call = made.answer.calls[index]
    function = {"name": call.name, "arguments": "" if empty else "".join(call_pieces(call))}
    return {"id": f"{call.name}_{made.number}{index}", "type": "function", "function": function}


def _message_frames(made: ChatMade) -> Frames:
    said = made.answer
    frames: Frames = _content_frames(0, "thinking", said.reasoning) if said.reasoning else []
    if not said.calls:
        return frames + _content_frames(1 if said.reasoning else 0, "text", said.text)
    for piece in tokenize(said.text):
        frames.append((_event("tool-plan-delta", delta={"message": {"tool_plan": piece}}), 1))
    for index, call in enumerate(said.calls):
        head = {"message": {"tool_calls": _call(made, index, empty=True)}}
        frames.append((_event("tool-call-start", index=index, delta=head), count_tokens(call.name)))
        for piece in call_pieces(call):
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            frames.append((_event("tool-call-delta", index=index, delta=delta), 1))
        frames.append((_event("tool-call-end", index=index), 0))
    return frames


def _content_frames(index: int, kind: str, text: str) -> Frames:
    def delta(piece: str, **extra: str) -> dict[str, Any]:
        return {"message": {"content": {**extra, kind: piece}}}

    start = (_event("content-start", index=index, delta=delta("", type=kind)), 0)
    deltas = [(_event("content-delta", index=index, delta=delta(piece)), 1) for piece in tokenize(text)]
    return [start, *deltas, (_event("content-end", index=index), 0)]


def _usage(usage: Usage) -> dict[str, Any]:
    counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": usage.cache_read_tokens}


def _read_embed(body: dict[str, Any]) -> EmbedAsk:
    expect(body.get("input_type") in _INPUT_TYPES, "invalid request: valid input_type must be provided")
    texts = body.get("texts")
    if texts is None:
        texts = [text_of(item.get("content") or (), "text") for item in objects(body.get("inputs"), "inputs")]
    right = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    expect(right, "invalid request: texts must be a list of strings that is not empty")
    expect(len(texts) <= 96, "invalid request: at most 96 texts")
    formats = tuple(body.get("embedding_types") or ("float",))
    expect(all(form in _FORMS for form in formats), "invalid request: unknown embedding type")
    return EmbedAsk(model=body["model"], texts=texts, dimensions=integer(body, "output_dimension"), formats=formats)


def _embeddings(made: EmbedMade) -> dict[str, Any]:
    vectors = () if made.flaw == "no_choices" else made.vectors
    body: dict[str, Any] = {
        "id": _uuid(made.number),
        "texts": made.ask.texts,
        "embeddings": {form: [_FORMS[form](vector) for vector in vectors] for form in made.ask.formats},
        "response_type": "embeddings_by_type",
        "meta": _META,
    }
    if made.flaw != "no_usage":
        body["meta"] = {**_META, "billed_units": {"input_tokens": made.usage.input_tokens}}
    return body


def _read_rerank(body: dict[str, Any]) -> RerankAsk:
    expect(isinstance(body.get("query"), str) and body["query"], "invalid request: query is required")
    documents = body.get("documents")
    right = isinstance(documents, list) and documents and all(isinstance(item, str) for item in documents)
    expect(right, "invalid request: list of documents must not be empty")
    return RerankAsk(model=body["model"], query=body["query"], documents=documents or (), top_n=integer(body, "top_n"))


def _ranking(made: RerankMade) -> dict[str, Any]:
    ranking = () if made.flaw == "no_choices" else made.ranking
    body: dict[str, Any] = {
        "id": _uuid(made.number),
        "results": [{"index": index, "relevance_score": score} for index, score in ranking],
        "meta": _META,
    }
    if made.flaw != "no_usage":
        body["meta"] = {**_META, "billed_units": {"search_units": made.usage.search_units}}
    return body
