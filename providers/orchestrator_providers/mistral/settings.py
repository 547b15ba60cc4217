"""Writes options, tools and output schema as Mistral takes them."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Target
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatOptions, ChatRequest, OutputSchema
from orchestrator_providers.mistral.profile import KIND, reasoning_facts
from orchestrator_providers.shared.noting import left_out
from orchestrator_providers.shared.writing import function_tool

__all__ = ["SettingsWriter"]

_OPTIONS = (
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_output_tokens", "max_tokens"),
    ("stop", "stop"),
    ("seed", "random_seed"),
)
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_EFFORTS = ("none", "minimal", "low", "medium", "high")


class SettingsWriter:
    """Writes the settings of requests to one model."""

    __slots__ = ("_facts", "_reasoning")

    def __init__(self, target: Target) -> None:
        self._facts = target.model_profile
        self._reasoning = reasoning_facts(target)

    def write(self, request: ChatRequest, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        """Add everything but the messages to `body`; the caller's own provider options come last, as they are:
        `safe_prompt`, `prediction`, `prompt_cache_key`, `presence_penalty`, ...

        Raises:
            UnsupportedFeature: tools or an output schema for a model that is known to have none.
        """
        options = request.options
        if request.tools:
            self._write_tools(request, body)
        if request.output is not None:
            self._write_output(request.output, body)
        if options.reasoning_effort is not None:
            self._write_reasoning(options.reasoning_effort, body, warnings)
        self._write_options(options, body, warnings)
        if options.provider_options is not None:
            body.update(options.provider_options.get(KIND, {}))

    def _write_options(self, options: ChatOptions, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        for name, field in _OPTIONS:
            value = getattr(options, name)
            if value is None:
                continue
            if name in self._facts.refuses:
                warnings.append(left_out(name, "this model does not take it"))
            elif name == "top_p" and value != 1 and options.temperature == 0:
                warnings.append(left_out(name, "with temperature 0 the vendor takes no other value than 1"))
            else:
                body[field] = value

    def _write_tools(self, request: ChatRequest, body: dict[str, Any]) -> None:
        if self._facts.tools is False:
            raise UnsupportedFeature("the model has no tools")
        body["tools"] = [function_tool(tool) for tool in request.tools]
        choice = request.options.tool_choice
        if choice is not None:
            body["tool_choice"] = _CHOICES.get(choice) or {"type": "function", "function": {"name": choice}}
        if request.options.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.options.parallel_tool_calls

    def _write_output(self, output: OutputSchema, body: dict[str, Any]) -> None:
        if self._facts.json_schema is False:
            raise UnsupportedFeature("the model has no output schemas")
        schema = {"name": output.name, "schema": output.schema, "strict": output.strict}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}

    def _write_reasoning(self, effort: str, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        control, efforts = self._reasoning
        if control == "none":
            # No reasoning is what a model without it does anyway.
            if effort != "none":
                warnings.append(left_out("reasoning_effort", "the model does not reason"))
        elif control == "always" and not efforts:
            if effort == "none":
                warnings.append(left_out("reasoning_effort", "the model always reasons"))
            else:
                body["prompt_mode"] = "reasoning"
        else:
            sent = body["reasoning_effort"] = _nearest(effort, efforts)
            if sent != effort:
                message = f"sent as {sent!r}: the model takes {' or '.join(efforts)}"
                warnings.append(CallWarning("compatibility", "reasoning_effort", message))


def _nearest(effort: str, efforts: tuple[str, ...]) -> str:
    """The word itself, or the nearest of those that the model takes; of two as near, the one for more."""
    known = [word for word in efforts if word in _EFFORTS]
    if effort in efforts or not known:
        return effort
    place = _EFFORTS.index(effort)
    return min(known, key=lambda word: (abs(_EFFORTS.index(word) - place), -_EFFORTS.index(word)))
