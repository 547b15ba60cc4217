"""Writes options, tools and output schema as Ollama takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Target
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatOptions, ChatRequest
from orchestrator_providers.ollama.profile import KIND
from orchestrator_providers.shared.noting import left_out
from orchestrator_providers.shared.writing import function_tool

__all__ = ["SettingsWriter", "write_extra"]

_OPTIONS = (
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_output_tokens", "num_predict"),
    ("stop", "stop"),
    ("seed", "seed"),
)
_LEVELS = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high"}


class SettingsWriter:
    """Writes the settings of requests to one model."""

    __slots__ = ("_facts", "_has_levels")

    def __init__(self, target: Target) -> None:
        self._facts: ModelProfile = target.model_profile
        # gpt-oss takes levels and nothing else; other models think or do not, and older servers refuse them levels.
        self._has_levels = "gpt-oss" in target.model.lower()

    def write(self, request: ChatRequest, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        """Add everything but the messages to `body`; the caller's own provider options come last, as they are.

        Raises:
            UnsupportedFeature: tools for a model that is known to have none, or a tool that must be called.
        """
        options = request.options
        if request.tools:
            self._write_tools(request, body, warnings)
        if request.output is not None:
            body["format"] = request.output.schema
        if options.reasoning_effort is not None:
            self._write_think(options.reasoning_effort, body, warnings)
        self._write_options(options, body)
        write_extra(options.provider_options, body)

    def _write_options(self, options: ChatOptions, body: dict[str, Any]) -> None:
        """All of them: what a model's own vendor refuses of it (`ModelProfile.refuses`), Ollama takes."""
        written: dict[str, Any] = {}
        for name, field in _OPTIONS:
            value = getattr(options, name)
            if value is not None:
                written[field] = value
        if written:
            body["options"] = written

    def _write_tools(self, request: ChatRequest, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        if self._facts.tools is False:
            raise UnsupportedFeature("the model has no tools")
        choice = request.options.tool_choice
        if choice == "none":
            return  # the same as to offer none
        if choice not in (None, "auto"):
            raise UnsupportedFeature("Ollama cannot make a model call a tool, which this tool_choice needs")
        body["tools"] = [function_tool(tool, strict=False) for tool in request.tools]
        if request.options.parallel_tool_calls is False:
            warnings.append(left_out("parallel_tool_calls", "Ollama cannot limit a model to one call"))

    def _write_think(self, effort: str, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        if self._facts.reasoning == "none":
            # No reasoning is what a model without it does anyway.
            if effort != "none":
                warnings.append(left_out("reasoning_effort", "the model does not reason"))
        elif not self._has_levels:
            body["think"] = effort != "none"
        else:
            body["think"] = _LEVELS[effort]
            if effort == "none":
                message = "the model always reasons: sent as low"
                warnings.append(CallWarning("compatibility", "reasoning_effort", message))


def write_extra(provider_options: Mapping[str, Mapping[str, Any]] | None, body: dict[str, Any]) -> None:
    """Add the caller's own entries as they are; those of `options`, such as `num_ctx`, beside ours."""
    extra = (provider_options or {}).get(KIND)
    if not extra:
        return
    ours = body.get("options", {})
    body.update(extra)
    if isinstance(extra.get("options"), Mapping):
        body["options"] = {**ours, **extra["options"]}
