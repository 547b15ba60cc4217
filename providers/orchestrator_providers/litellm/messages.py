"""Our requests as litellm's keyword arguments, which have OpenAI's shapes."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from orchestrator.errors import InvalidRequest, UnsupportedFeature
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import (
    ChatOptions,
    ChatRequest,
    Media,
    Message,
    Metadata,
    OutputSchema,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from orchestrator.types.retrieval import EmbedRequest, InputType, RerankRequest
from orchestrator_providers.litellm.profile import KIND

__all__ = ["chat_kwargs", "embed_kwargs", "rerank_kwargs"]

# What the engine itself decides: retries, fallbacks, caching and callbacks are the pipeline's business.
_RESERVED = frozenset(
    {
        "api_base", "api_key", "base_url", "cache", "caching", "callbacks", "context_window_fallback_dict",
        "documents", "drop_params", "failure_callback", "fallbacks", "input", "litellm_metadata",
        "logger_fn", "max_retries", "messages", "metadata", "mock_response", "model", "model_list",
        "num_retries", "query", "retry_policy", "stream", "stream_options", "success_callback", "timeout",
        "verbose",
    }
)  # fmt: skip
_OPTIONS = ("temperature", "top_p", "seed", "reasoning_effort", "parallel_tool_calls")
_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}
_INPUT_TYPES: dict[str, dict[InputType, str]] = {
    "cohere": {
        "query": "search_query",
        "document": "search_document",
        "classification": "classification",
        "clustering": "clustering",
    },
    "voyage": {"query": "query", "document": "document"},
}


def chat_kwargs(
    request: ChatRequest, supported: Collection[str] | None
) -> tuple[dict[str, Any], tuple[CallWarning, ...]]:
    """Keyword arguments of `acompletion`, and what was left out.

    `supported` is what litellm says the model takes, None when it does not know: then everything is sent.

    Raises:
        UnsupportedFeature: tools, an output schema or a part that the model or litellm cannot carry.
        InvalidRequest: `provider_options` name an argument that the engine sets itself.
    """
    warnings: list[CallWarning] = []
    kwargs: dict[str, Any] = {"messages": _messages(request.messages, warnings)}
    for name, value in _settings(request.options, request.tools).items():
        if supported is None or name in supported:
            kwargs[name] = value
        else:
            warnings.append(CallWarning("unsupported", name, "litellm reports that the model cannot take it"))
    kwargs |= _features(request, supported)
    kwargs |= _extras(request.options.provider_options)
    if request.tools:
        # Its MCP gateway calls tools and model in a loop of its own, and needs a package litellm does not install.
        kwargs["_skip_mcp_handler"] = True
    return kwargs, tuple(warnings)


def embed_kwargs(
    request: EmbedRequest, vendor: str, *, base64_vectors: bool
) -> tuple[dict[str, Any], tuple[CallWarning, ...]]:
    """Keyword arguments of `aembedding`, and what was left out. Dimensions always go out: they name a vector space."""
    options, warnings = request.options, []
    kwargs: dict[str, Any] = {"input": list(request.texts)}
    if options.dimensions is not None:
        kwargs["dimensions"] = options.dimensions
    if base64_vectors:
        kwargs["encoding_format"] = "base64"
    if options.input_type is not None:
        value = _INPUT_TYPES.get(vendor, {}).get(options.input_type)
        if value is None:
            warnings.append(CallWarning("unsupported", "input_type", f"no name for it is known at {vendor or 'this'}"))
        else:
            kwargs["input_type"] = value
    return kwargs | _extras(options.provider_options), tuple(warnings)


def rerank_kwargs(request: RerankRequest) -> dict[str, Any]:
    """Keyword arguments of `arerank`."""
    kwargs: dict[str, Any] = {"query": request.query, "documents": list(request.documents)}
    if request.options.top_n is not None:
        kwargs["top_n"] = request.options.top_n
    return kwargs | _extras(request.options.provider_options)


def _extras(options: Metadata | None) -> dict[str, Any]:
    extras = dict((options or {}).get(KIND) or {})
    refused = sorted(_RESERVED & extras.keys())
    if refused:
        raise InvalidRequest(f"provider_options for litellm must not set {', '.join(refused)}")
    return extras


def _settings(options: ChatOptions, tools: tuple[Tool, ...]) -> dict[str, Any]:
    found = {name: getattr(options, name) for name in _OPTIONS}
    found["max_tokens"] = options.max_output_tokens
    found["stop"] = list(options.stop) if options.stop else None
    found["tool_choice"] = _tool_choice(options.tool_choice) if tools else None
    if not tools:
        found["parallel_tool_calls"] = None
    return {name: value for name, value in found.items() if value is not None}


def _tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    if choice is None or choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _features(request: ChatRequest, supported: Collection[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.tools:
        found["tools"] = [_tool(tool) for tool in request.tools]
    if request.output is not None:
        found["response_format"] = _output(request.output)
    for name in found:
        if supported is not None and name not in supported:
            raise UnsupportedFeature(f"litellm reports that the model cannot take {name}")
    return found


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": dict(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _output(output: OutputSchema) -> dict[str, Any]:
    schema = {"name": output.name, "schema": dict(output.schema), "strict": output.strict}
    return {"type": "json_schema", "json_schema": schema}


def _messages(messages: tuple[Message, ...], warnings: list[CallWarning]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            found.append(_assistant(message, warnings))
        elif message.role == "tool":
            found += [_tool_result(part, warnings) for part in message.parts if isinstance(part, ToolResult)]
        else:
            found.append({"role": message.role, "content": _content(message.parts)})
    return found


def _assistant(message: Message, warnings: list[CallWarning]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    thinking = [_thinking(part, warnings) for part in message.parts if isinstance(part, Reasoning)]
    if any(thinking):
        found["thinking_blocks"] = [block for block in thinking if block]
    if message.tool_calls:
        found["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if any(isinstance(part, Media) for part in message.parts):
        warnings.append(CallWarning("stripped", "media", "media of an assistant message cannot be sent back"))
    return found


def _thinking(part: Reasoning, warnings: list[CallWarning]) -> dict[str, Any] | None:
    mark = _mark(part.provider_metadata)
    if not mark:
        warnings.append(CallWarning("stripped", "reasoning", "reasoning without a signature is not sent back"))
        return None
    if mark.get("type") == "redacted_thinking":
        return dict(mark)
    return {"type": "thinking", "thinking": part.text, **mark}


def _tool_call(call: ToolCall) -> dict[str, Any]:
    text = call.invalid_arguments
    arguments = text if text is not None else orjson.dumps(call.arguments).decode()
    found: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }
    mark = _mark(call.provider_metadata)
    return found | {"provider_specific_fields": dict(mark)} if mark else found


def _mark(metadata: Metadata | None) -> Mapping[str, Any]:
    return (metadata or {}).get(KIND) or {}


def _tool_result(part: ToolResult, warnings: list[CallWarning]) -> dict[str, Any]:
    if part.is_error:
        warnings.append(CallWarning("compatibility", "is_error", "a failed tool result is sent as a plain one"))
    content = part.content if isinstance(part.content, str) else _content(part.content)
    return {"role": "tool", "tool_call_id": part.id, "content": content}


def _content(parts: tuple[Any, ...]) -> str | list[dict[str, Any]]:
    if all(isinstance(part, Text) for part in parts):
        return "\n".join([part.text for part in parts])
    return [_part(part) for part in parts]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Media):
        return _media(part)
    raise UnsupportedFeature(f"a {type(part).__name__} part cannot stand in a message of this role")


def _media(part: Media) -> dict[str, Any]:
    if part.file_id is None and part.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": part.url or _data_url(part)}}
    if part.media_type.startswith("audio/"):
        return _audio(part)
    file: dict[str, Any] = {"format": part.media_type}
    if part.data is not None:
        file["file_data"] = _data_url(part)
    else:
        file["file_id"] = part.file_id or part.url  # litellm takes a URL here too
    return {"type": "file", "file": file | ({"filename": part.filename} if part.filename else {})}


def _audio(part: Media) -> dict[str, Any]:
    name = _AUDIO_FORMATS.get(part.media_type)
    if part.data is None or name is None:
        raise UnsupportedFeature("litellm takes sound as bytes only, mp3 or wav")
    data = base64.b64encode(part.data).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": name}}


def _data_url(part: Media) -> str:
    return f"data:{part.media_type};base64,{base64.b64encode(part.data or b'').decode()}"
