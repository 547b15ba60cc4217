"""What the tests of the Google wires share: targets, requests, and the vendor's own types as judge of what is sent."""

from __future__ import annotations

from typing import Any

import orjson

from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Encoded, Target
from orchestrator.types.chat import ChatOptions, ChatRequest, Message, Part, Text, Tool
from orchestrator_providers.google import WIRES

__all__ = ["WEATHER", "ask", "assert_of_the_sdk", "chat", "embed", "sent", "target", "user"]

WEATHER = Tool(
    name="weather",
    description="Weather now",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
_VERTEX = {"project": "a-project", "location": "europe-west4"}


def target(model: str = "gemini-2.5-flash", kind: str = "google", **more: Any) -> Target:
    """A deployment's target at the vendor's own address."""
    wire = WIRES[kind]
    settings = more.pop("settings", _VERTEX if kind == "vertex" else {})
    base = wire.locate(settings) if wire.locate else wire.profile.base_url
    facts: dict[str, Any] = {
        "profile": wire.profile,
        "provider": "p",
        "deployment": "d",
        "model": model,
        "base_url": base,
        "settings": settings,
        "model_profile": ModelProfile(),
    }
    return Target(**(facts | more))


def chat(model: str = "gemini-2.5-flash", kind: str = "google", **more: Any) -> Any:
    """A chat codec."""
    return WIRES[kind].bind(target(model, kind, **more)).chat


def embed(model: str, kind: str = "google", **more: Any) -> Any:
    """An embedding codec."""
    return WIRES[kind].bind(target(model, kind, **more)).embed


def user(*parts: Part | str) -> Message:
    """A user's message."""
    return Message("user", tuple([Text(part) if isinstance(part, str) else part for part in parts]))


def ask(*messages: Message, tools: tuple[Tool, ...] = (), output: Any = None, **options: Any) -> ChatRequest:
    """A request; without messages, a greeting."""
    return ChatRequest(
        messages=messages or (user("Hello"),), tools=tools, output=output, options=ChatOptions(**options)
    )


def sent(encoded: Encoded) -> Any:
    """The body, after the vendor's own types have taken it."""
    body = orjson.loads(encoded.request.body)
    assert_of_the_sdk(body)
    return body


_FIELDS = {
    "cachedContent": None,
    "contents": "Content",
    "generationConfig": "GenerationConfig",
    "labels": None,
    "safetySettings": "SafetySetting",
    "systemInstruction": "Content",
    "toolConfig": "ToolConfig",
    "tools": "Tool",
}


def assert_of_the_sdk(body: dict[str, Any]) -> None:
    """Every field of a chat's body is one that google-genai's pydantic types (which forbid others) take."""
    from google.genai import types

    for key, value in _as_old_sdks_know(body, types).items():
        assert key in _FIELDS, f"no field of this API: {key}"
        name = _FIELDS[key]
        if name is not None:
            model = getattr(types, name)
            for one in value if isinstance(value, list) else [value]:
                model.model_validate(one)


def _as_old_sdks_know(body: Any, types: Any) -> Any:
    """Without the fields that came to the API after the SDK that is installed, if that is an old one."""
    if "response_json_schema" in types.GenerationConfig.model_fields:
        return body
    later = {"parametersJsonSchema", "responseJsonSchema", "thinkingLevel"}
    if isinstance(body, list):
        return [_as_old_sdks_know(one, types) for one in body]
    if not isinstance(body, dict):
        return body
    is_result = "response" in body and "name" in body
    kept = {key: value for key, value in body.items() if key not in later and not (is_result and key == "parts")}
    if kept.get("mode") == "VALIDATED":
        kept["mode"] = "AUTO"
    return {key: _as_old_sdks_know(value, types) for key, value in kept.items()}
