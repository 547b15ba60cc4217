"""OpenAI's API: chat completions and embeddings, and rerank as Jina, vLLM and others add it to that API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

__all__ = ["OpenAIShape"]

_TASKS: dict[str, Task] = {
    "/v1/chat/completions": "chat",
    "/v1/embeddings": "embed",
    "/v1/rerank": "rerank",
    "/v2/rerank": "rerank",
    "/rerank": "rerank",
}
_CHAT_FIELD_NAMES = (
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages "
    "metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier "
    "stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options"
)
_CHAT_FIELDS = frozenset(_CHAT_FIELD_NAMES.split())
_EMBED_FIELDS = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
_ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
_TYPES = {
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", "server_is_overloaded"),
}

_COMPLAINTS: Complaints = {
    "bad_json": (400, "The body of the request is not valid JSON.", None),
    "missing_key": (401, "No API key was provided: send it as 'Authorization: Bearer KEY'.", None),
    "no_such_path": (404, "Unknown request URL: {method} {path}.", "unknown_url"),
    "rate_limit": (429, "Rate limit reached: limit {limit} {dimension}. {advice}", "rate_limit_exceeded"),
    "too_big": (429, "Request too large: limit {limit} {dimension}.", "rate_limit_exceeded"),
    "too_long": (
        400,
        "The maximum context length is {limit} tokens, {tokens} were asked for.",
        "context_length_exceeded",
    ),
    "too_many": (429, "Too many requests at the same time: limit {limit}.", "rate_limit_exceeded"),
    "unknown_model": (
        404,
        "The model `{model}` does not exist or you do not have access to it.",
        "model_not_found",
    ),
    "wrong_key": (401, "Incorrect API key provided.", "invalid_api_key"),
}


class OpenAIShape:
    """See `WireShape`."""

    name = "openai"
    keepalive = b": keep-alive\n\n"
    bills_cache_writes = False
    complaints = _COMPLAINTS

    def task(self, path: str) -> Task | None:
        """See `WireShape.task`."""
        return _TASKS.get(path)

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """See `WireShape.credential`. Azure's header is taken too."""
        kind, _, key = headers.get("authorization", "").partition(" ")
        return (key.strip() if kind.lower() == "bearer" else None) or headers.get("api-key")

    def read(self, task: Task, body: dict[str, Any]) -> Ask:
        """See `WireShape.read`."""
        expect(isinstance(body.get("model"), str) and body["model"], "you must provide a model parameter")
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
                body = _completion(made)
            case EmbedMade():
                body = _embeddings(made)
            case RerankMade():
                body = _ranking(made)
        return orjson.dumps(body), body.get("id")

    def frames(self, made: ChatMade) -> tuple[Frames, str]:
        """See `WireShape.frames`."""
        base = _base(made, "chat.completion.chunk")
        if made.ask.include_usage:
            base["usage"] = None
        frames: Frames = []
        for index in range(0 if made.flaw == "no_choices" else made.ask.choices):
            for delta, finish, tokens in _deltas(made):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                frames.append((_event({**base, "choices": [choice]}), tokens))
        if made.ask.include_usage and made.flaw != "no_usage":
            frames.append((_event({**base, "choices": [], "usage": _usage(made.usage)}), 0))
        frames.append((b"data: [DONE]\n\n", 0))
        return frames, base["id"]

    def refusal(self, refused: Refused, request_id: str) -> bytes:
        """See `WireShape.refusal`."""
        unlisted = ("server_error" if refused.status >= 500 else "invalid_request_error", None)
        kind, code = _TYPES.get(refused.status, unlisted)
        if refused.code == "insufficient_quota":
            kind = refused.code
        kind, code = refused.kind or kind, refused.code or code
        error = {"message": refused.message, "type": kind, "param": refused.param, "code": code}
        return orjson.dumps({"error": error})

    def stream_error(self, request_id: str) -> bytes:
        """See `WireShape.stream_error`."""
        message = "The server had an error while processing your request. Sorry about that!"
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        return _event({"error": error})

    def models(self, names: Sequence[str]) -> bytes:
        """See `WireShape.models`."""
        rows = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "simulator"} for name in names]
        return orjson.dumps({"object": "list", "data": rows})

    def headers(self, request_id: str, levels: Mapping[Dimension, Level], now: float) -> dict[str, str]:
        """See `WireShape.headers`."""
        headers = {"x-request-id": request_id, "openai-version": "2020-10-01"}
        for name, level in levels.items():
            headers[f"x-ratelimit-limit-{name}"] = str(level.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
            headers[f"x-ratelimit-reset-{name}"] = _duration(level.reset_s)
        return headers


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)


def _duration(seconds: float) -> str:
    """A Go duration: `6m0s`, `1.25s`, `20ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms" if seconds else "0s"
    minutes, rest = divmod(seconds, 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(minutes)}m{text}" if minutes else text


def _known(body: Mapping[str, Any], fields: frozenset[str]) -> None:
    unknown = next((name for name in body if name not in fields), None)
    expect(unknown is None, f"Unrecognized request argument supplied: {unknown}")


def _read_chat(body: dict[str, Any]) -> ChatAsk:
    _known(body, _CHAT_FIELDS)
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


def _completion(made: ChatMade) -> dict[str, Any]:
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


def _read_embed(body: dict[str, Any]) -> EmbedAsk:
    _known(body, _EMBED_FIELDS)
    wanted = body.get("input")
    items: list[Any] = wanted if isinstance(wanted, list) and not _is_tokens(wanted) else [wanted]
    right = items and all((isinstance(item, str) and item) or _is_tokens(item) for item in items)
    expect(right, "'$.input' is invalid. Expected texts or arrays of tokens, none of them empty.")
    expect(len(items) <= 2048, "'$.input' is invalid: at most 2048 items.")
    form = body.get("encoding_format") or "float"
    expect(form in ("float", "base64"), "Invalid 'encoding_format'.", param="encoding_format")
    texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]
    return EmbedAsk(model=body["model"], texts=texts, dimensions=integer(body, "dimensions"), formats=(form,))


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, int) for item in value)


def _embeddings(made: EmbedMade) -> dict[str, Any]:
    vectors: Iterable[Any] = made.vectors
    if made.ask.formats == ("base64",):
        vectors = (packed(vector) for vector in made.vectors)
    rows = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(vectors)]
    tokens = made.usage.input_tokens
    body: dict[str, Any] = {
        "object": "list",
        "data": [] if made.flaw == "no_choices" else rows,
        "model": made.model,
    }
    return body if made.flaw == "no_usage" else body | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _read_rerank(body: dict[str, Any]) -> RerankAsk:
    expect(isinstance(body.get("query"), str) and body["query"], "query: field required", param="query")
    documents = body.get("documents")
    expect(isinstance(documents, list) and documents, "documents: field required", param="documents")
    return RerankAsk(
        model=body["model"],
        query=body["query"],
        documents=[item if isinstance(item, str) else text_of([item], "text") for item in documents or ()],
        top_n=integer(body, "top_n"),
        return_documents=bool(body.get("return_documents")),
    )


def _ranking(made: RerankMade) -> dict[str, Any]:
    results = []
    for index, score in () if made.flaw == "no_choices" else made.ranking:
        document = {"document": {"text": made.ask.documents[index]}} if made.ask.return_documents else {}
        results.append({"index": index, "relevance_score": score, **document})
    body = {"id": f"rerank-{made.number}", "model": made.model, "results": results}
    tokens = made.usage.input_tokens
    return body if made.flaw == "no_usage" else body | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
