"""Checks request bodies against the types that the vendors publish in their own SDKs.

`validate(kind, body)` raises `ValueError` where the SDK would not have let the body be written: a field that it does
not know, a value of another type, something required that is missing. What types do not say is in `rules`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter

__all__ = ["validate", "validate_embed", "validate_rerank"]

_Body = dict[str, Any]


def _plain(value: Any) -> Any:
    """Validated data as JSON would hold it; reads the iterators that pydantic validates as they are read."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return [_plain(inner) for inner in value] if isinstance(value, Iterable) else value


def _unknown(sent: Any, known: Any, place: str = "") -> list[str]:
    """Places of what was sent and is not in the validated copy: fields that the SDK does not know."""
    if isinstance(sent, dict) and isinstance(known, dict):
        found = [f"{place}.{key}" for key in sent if key not in known]
        return found + [p for key in sent if key in known for p in _unknown(sent[key], known[key], f"{place}.{key}")]
    if isinstance(sent, list) and isinstance(known, list):
        return [p for i, pair in enumerate(zip(sent, known, strict=True)) for p in _unknown(*pair, f"{place}[{i}]")]
    return []


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _check(type_: Any, body: Any, *, newer: frozenset[str] = frozenset()) -> None:
    """`newer`: last parts of places that the installed SDK is too old to know."""
    unknown = _unknown(body, _plain(_adapter(type_).validate_python(body)))
    unknown = [place for place in unknown if place.rpartition(".")[2] not in newer]
    if unknown:
        raise ValueError(f"fields that the SDK does not know: {', '.join(unknown)}")


def _openai(body: _Body, *, newer: frozenset[str] = frozenset()) -> None:
    from openai.types.chat import completion_create_params as params

    form = params.CompletionCreateParamsStreaming if body.get("stream") else params.CompletionCreateParamsNonStreaming
    _check(form, body, newer=newer)


_COPIES = frozenset(
    {
        "cache_control",
        "document_url",
        "file_or_url",
        "max_completion_tokens",
        "output_config",
        "random_seed",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "reasoning_text",
        "thinking",
        "extra_content",
    }
)
"""Fields of vendors that copied OpenAI's wire and went on from there."""


def _copy(body: _Body) -> None:
    messages = [message | {"content": _of_openai(message.get("content"))} for message in body["messages"]]
    _openai(body | {"messages": messages}, newer=_COPIES)


def _of_openai(content: Any) -> Any:
    """Without parts of a type that copies of the wire added."""
    return [part for part in content if part["type"] != "video_url"] if isinstance(content, list) else content


def _responses(body: _Body) -> None:
    from openai.types.responses import response_create_params as params

    form = params.ResponseCreateParamsStreaming if body.get("stream") else params.ResponseCreateParamsNonStreaming
    _check(form, body)


def _anthropic(body: _Body) -> None:
    from anthropic.types import message_create_params as params

    form = params.MessageCreateParamsStreaming if body.get("stream") else params.MessageCreateParamsNonStreaming
    # Models that sample are served, but the SDK's types of this year leave their settings out.
    _check(form, body, newer=frozenset({"temperature", "top_p"}))


def _cohere(body: _Body) -> None:
    from cohere import ResponseFormatV2, Thinking, ToolV2
    from cohere.types.chat_message_v2 import ChatMessageV2

    known = {
        "messages": list[ChatMessageV2],
        "tools": list[ToolV2],
        "response_format": ResponseFormatV2,
        "thinking": Thinking,
        "model": str,
        "stream": bool,
        "strict_tools": bool,
        "max_tokens": int,
        "stop_sequences": list[str],
        "temperature": float,
        "seed": int,
        "p": float,
        "tool_choice": str,
    }
    for name, value in body.items():
        if name not in known:
            raise ValueError(f"the SDK has no parameter {name!r}")
        _refuse_extras(_adapter(known[name]).validate_python(value), name)


def _refuse_extras(value: Any, place: str) -> None:
    """For models that keep what they do not know, as Cohere's do."""
    if isinstance(value, BaseModel):
        if value.model_extra:
            raise ValueError(f"fields that the SDK does not know: {place}: {sorted(value.model_extra)}")
        for name in value.model_fields_set:
            _refuse_extras(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _refuse_extras(inner, f"{place}[{i}]")


_GOOGLE_NEWER = frozenset(
    {"parametersJsonSchema", "responseJsonSchema", "thinkingLevel", "displayName", "parts", "mediaResolution"}
)


def _google(body: _Body) -> None:
    from google.genai import types

    known: dict[str, Any] = {
        "contents": list[types.Content],
        "systemInstruction": types.Content,
        "generationConfig": types.GenerationConfig,
        "tools": list[types.Tool],
        "toolConfig": types.ToolConfig,
        "safetySettings": list[types.SafetySetting],
        "cachedContent": str,
        "labels": dict[str, str],
    }
    for name, value in body.items():
        if name not in known:
            raise ValueError(f"the API has no field {name!r}")
        if name == "toolConfig" and value["functionCallingConfig"]["mode"] == "VALIDATED":
            continue  # a mode that the installed SDK is too old to know
        _check(known[name], _without(value, _GOOGLE_NEWER, inside="functionResponse"))


def _without(value: Any, names: frozenset[str], *, inside: str, here: bool = False) -> Any:
    """The data without fields that the installed SDK is too old to know; `parts` only inside function responses."""
    if isinstance(value, list):
        return [_without(one, names, inside=inside, here=here) for one in value]
    if not isinstance(value, dict):
        return value
    dropped = names if here else names - {"parts"}
    return {
        key: _without(inner, names, inside=inside, here=key == inside)
        for key, inner in value.items()
        if key not in dropped
    }


@cache
def _bedrock_shape(operation: str) -> Any:
    import botocore.session

    session = botocore.session.get_session()
    return session.get_service_model("bedrock-runtime").operation_model(operation).input_shape


def _bedrock(body: _Body) -> None:
    from botocore.validate import ParamValidator

    report = ParamValidator().validate({"modelId": "m"} | _bytes_for_blobs(body), _bedrock_shape("Converse"))
    if report.has_errors():
        raise ValueError(report.generate_report())


def _bytes_for_blobs(value: Any, key: str = "") -> Any:
    """Botocore takes blobs as bytes and writes the base64 itself; here it is written already, and must be right."""
    if key in ("bytes", "redactedContent") and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if isinstance(value, dict):
        return {name: _bytes_for_blobs(inner, name) for name, inner in value.items()}
    return [_bytes_for_blobs(inner) for inner in value] if isinstance(value, list) else value


def _mistral(body: _Body) -> None:
    from mistralai.client import models

    form = models.ChatCompletionStreamRequest if body.get("stream") else models.ChatCompletionRequest
    _check(form, body)


def _ollama(body: _Body) -> None:
    from ollama import _types as types

    # Its client generates no ids and checks none; servers take and give them since 0.12.
    _check(types.ChatRequest, body, newer=frozenset({"truncate", "shift", "additionalProperties"}))
    # Mappings among the messages are let through unread by the type of the request.
    messages = [message | {"images": None} if "images" in message else message for message in body["messages"]]
    _check(list[types.Message], messages, newer=frozenset({"id", "tool_call_id", "index"}))
    # The client's type of an image is what it writes from, not what it writes: base64.
    for image in [image for message in body["messages"] for image in message.get("images") or ()]:
        base64.b64decode(image, validate=True)


_CHAT: Mapping[str, Callable[[_Body], None]] = {
    "anthropic": _anthropic,
    "azure_openai": _openai,
    "bedrock": _bedrock,
    "cohere": _cohere,
    "google": _google,
    "mistral": _mistral,
    "ollama": _ollama,
    "openai": _openai,
    "openai_responses": _responses,
    "vertex": _google,
    "xai_responses": _responses,
}


def validate(kind: str, body: _Body) -> None:
    """Check the body of a chat. Kinds without an SDK of their own are checked as copies of OpenAI's wire.

    Raises:
        ValueError: the vendor's own SDK would not write this.
    """
    _CHAT.get(kind, _copy)(body)


def _openai_embed(body: _Body) -> None:
    from openai.types.embedding_create_params import EmbeddingCreateParams

    _check(EmbeddingCreateParams, body)


def _cohere_embed(body: _Body) -> None:
    from cohere.types import EmbeddingType, EmbedInputType

    known: dict[str, Any] = {
        "model": str,
        "texts": list[str],
        "input_type": EmbedInputType,
        "embedding_types": list[EmbeddingType],
        "output_dimension": int,
        "truncate": str,
    }
    _fields(known, body)


def _fields(known: Mapping[str, Any], body: _Body) -> None:
    for name, value in body.items():
        if name not in known:
            raise ValueError(f"the SDK has no parameter {name!r}")
        _adapter(known[name]).validate_python(value)


def _mistral_embed(body: _Body) -> None:
    from mistralai.client import models

    _check(models.EmbeddingRequest, body)


def _ollama_embed(body: _Body) -> None:
    from ollama import _types as types

    _check(types.EmbedRequest, body)


def _google_embed(body: _Body) -> None:
    from google.genai import types

    for one in body.get("requests", [body]):
        known = {"model": str, "content": types.Content, "taskType": str, "outputDimensionality": int, "title": str}
        _fields(known, one)


_EMBED: Mapping[str, Callable[[_Body], None]] = {
    "azure_openai": _openai_embed,
    "cohere": _cohere_embed,
    "google": _google_embed,
    "mistral": _mistral_embed,
    "ollama": _ollama_embed,
    "openai": _openai_embed,
}


def validate_embed(kind: str, body: _Body) -> bool:
    """Check the body of an embedding; False if no SDK publishes its types."""
    check = _EMBED.get(kind)
    if check is not None:
        check(body)
    return check is not None


def validate_rerank(kind: str, body: _Body) -> bool:
    """Check the body of a ranking; False if no SDK publishes its types."""
    if kind != "cohere":
        return False
    _fields({"model": str, "query": str, "documents": list[str], "top_n": int, "max_tokens_per_doc": int}, body)
    return True
