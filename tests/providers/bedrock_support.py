"""Shared by the tests of the Bedrock wire: targets, requests, and AWS's own model of the API."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import ChatCodec, Encoded, Target
from orchestrator.types.chat import ChatOptions, ChatRequest, Message, Part, Role, Text
from orchestrator_providers.bedrock import WIRE

__all__ = ["BASE", "CLAUDE", "NOVA", "ask", "body", "chat", "failure", "invalid", "message", "settings_of", "target"]

BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"


def target(model: str = CLAUDE, profile: ModelProfile | None = None, **settings: Any) -> Target:
    """What a deployment of that model is bound to."""
    return Target(
        profile=WIRE.profile,
        provider="p",
        deployment="d",
        model=model,
        base_url=BASE,
        settings=settings,
        model_profile=profile or ModelProfile(),
    )


def chat(model: str = CLAUDE, profile: ModelProfile | None = None, **settings: Any) -> ChatCodec:
    """The chat codec of that deployment."""
    codec = WIRE.bind(target(model, profile, **settings)).chat
    assert codec is not None
    return codec


def message(role: Role, *parts: Part | str, **more: Any) -> Message:
    """A message; a string is a text part."""
    return Message(role, tuple([Text(part) if isinstance(part, str) else part for part in parts]), **more)


def ask(*messages: Message, **options: Any) -> ChatRequest:
    """A request; `tools` and `output` are told from options."""
    own = {key: options.pop(key) for key in ("tools", "output") if key in options}
    return ChatRequest(messages=messages or (message("user", "Hi"),), options=ChatOptions(**options), **own)


def body(encoded: Encoded) -> Any:
    """What is sent."""
    return orjson.loads(encoded.request.body)


def settings_of(encoded: Encoded) -> list[tuple[str, str]]:
    """Kind and setting of each warning."""
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


@cache
def _converse() -> Any:
    session = pytest.importorskip("botocore.session").Session()
    return session.get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def invalid(sent: Any) -> str:
    """What AWS's own SDK finds wrong with a Converse request; empty if nothing."""
    from botocore.validate import ParamValidator

    report = ParamValidator().validate({"modelId": "m", **sent}, _converse())
    return str(report.generate_report())


def failure(error: OrchestratorError) -> tuple[type[OrchestratorError], str, bool]:
    """Class, scope and retryability."""
    return type(error), error.scope, error.retryable
