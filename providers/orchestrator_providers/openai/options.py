"""Writes options and tools down; leaves out, with a warning, what the vendor or the model refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatOptions, ChatRequest, Tool
from orchestrator_providers.openai.outputs import OutputWriter
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.shared.noting import left_out
from orchestrator_providers.shared.writing import function_tool

__all__ = ["OptionWriter"]

_CHOICES = frozenset({"auto", "none", "required"})


class OptionWriter:
    """Writes the options of requests to one model, of which nothing is refused that is not known to be."""

    __slots__ = ("_facts", "_fields", "_kind", "_outputs", "_quirks", "_refused", "_refused_when_reasoning")

    def __init__(self, kind: str, quirks: Quirks, facts: ModelProfile) -> None:
        self._facts = facts
        self._kind = kind
        self._quirks = quirks
        self._outputs = OutputWriter(quirks, facts)
        without = {"reasoning_effort"} if facts.reasoning == "none" else frozenset[str]()
        self._refused = quirks.unsupported | facts.refuses | without
        self._refused_when_reasoning = self._refused | facts.refuses_when_reasoning
        self._fields = (
            ("temperature", "temperature"),
            ("top_p", "top_p"),
            ("max_output_tokens", quirks.max_tokens_field),
            ("stop", "stop"),
            ("seed", "seed"),
            ("parallel_tool_calls", "parallel_tool_calls"),
        )

    def write(self, request: ChatRequest, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        """Add everything else to a body that holds the messages; the caller's provider options come last as they are.

        Raises:
            UnsupportedFeature: tools where the vendor has none.
        """
        options = request.options
        if request.tools:
            self._tools(request.tools, body)
        self._settings(options, body, warnings, tools=bool(request.tools))
        self._outputs.write(request, body, warnings)
        if options.provider_options is not None and self._kind in options.provider_options:
            body.update(options.provider_options[self._kind])

    def _settings(
        self, options: ChatOptions, body: dict[str, Any], warnings: list[CallWarning], *, tools: bool
    ) -> None:
        reasons = self._facts.reasons(options.reasoning_effort)
        refused = self._refused_when_reasoning if reasons else self._refused
        for name, field in self._fields:
            value = getattr(options, name)
            if value is None or (name == "parallel_tool_calls" and not tools):
                continue
            # 1 is what reasoning models sample with anyway, and the one value they accept.
            if name in refused and not (name in {"temperature", "top_p"} and value == 1):
                warnings.append(self._left_out(name))
            else:
                body[field] = value
        if options.reasoning_effort is not None:
            self._effort(options.reasoning_effort, body, warnings)
        if options.tool_choice is not None and tools:
            body["tool_choice"] = _choice(options.tool_choice)

    def _effort(self, effort: str, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        if "reasoning_effort" in self._refused:
            # No reasoning is what a model without it does anyway.
            if effort != "none":
                warnings.append(self._left_out("reasoning_effort"))
        elif self._quirks.effort_form == "object":
            body["reasoning"] = {"effort": effort}
        elif self._quirks.effort_form == "thinking":
            body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
            if effort != "none":
                body["reasoning_effort"] = effort
        else:
            body["reasoning_effort"] = effort

    def _left_out(self, name: str) -> CallWarning:
        return left_out(name, f"this model of {self._kind} does not take it")

    def _tools(self, tools: Sequence[Tool], body: dict[str, Any]) -> None:
        if not self._quirks.tools:
            raise UnsupportedFeature(f"{self._kind} has no tools")
        body["tools"] = [function_tool(tool) for tool in tools]


def _choice(choice: str) -> Any:
    return choice if choice in _CHOICES else {"type": "function", "function": {"name": choice}}
