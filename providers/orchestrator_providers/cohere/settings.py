"""Writes options, tools and output schema as Cohere's v2 chat takes them."""

from __future__ import annotations

from typing import Any

from orchestrator.types.chat import ChatOptions, ChatRequest, OutputSchema, Tool
from orchestrator_providers.cohere.profile import KIND
from orchestrator_providers.cohere.schema import DIALECT
from orchestrator_providers.shared.noting import Noting
from orchestrator_providers.shared.schemas import fit, output_tool
from orchestrator_providers.shared.writing import function_tool

__all__ = ["Settings"]

_BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192}
_MAX_TEMPERATURE = 1.0
_MAX_TOP_P = 0.99
_MAX_STOPS = 5


class Settings(Noting):
    """Everything of a request's body but its messages.

    Attributes:
        body: fields as they are sent.
        warnings: what was left out or changed.
    """

    __slots__ = ("_reasons", "body")

    def __init__(self, request: ChatRequest, *, reasons: bool) -> None:
        super().__init__()
        self._reasons = reasons
        self.body: dict[str, Any] = {}
        options = request.options
        self._write_plain(options)
        if request.tools:
            self._write_tools(request)
        elif options.tool_choice not in (None, "auto", "none"):
            self.unsupported("tool_choice", "there are no tools to choose from")
        if request.output is not None and not request.tools:
            self._write_format(request.output)
        if options.reasoning_effort is not None:
            self._write_reasoning(options.reasoning_effort)
        if options.provider_options:
            self.body.update(options.provider_options.get(KIND) or {})

    def _write_plain(self, options: ChatOptions) -> None:
        if options.max_output_tokens is not None:
            self.body["max_tokens"] = options.max_output_tokens
        if options.temperature is not None:
            self.body["temperature"] = self._bounded("temperature", options.temperature, _MAX_TEMPERATURE)
        if options.top_p is not None:
            self.body["p"] = self._bounded("top_p", options.top_p, _MAX_TOP_P)
        if options.stop:
            if len(options.stop) > _MAX_STOPS:
                self.unsupported("stop", f"the vendor takes {_MAX_STOPS}: the others were left out")
            self.body["stop_sequences"] = options.stop[:_MAX_STOPS]
        if options.seed is not None:
            self.body["seed"] = options.seed

    def _bounded(self, setting: str, value: float, most: float) -> float:
        if value <= most:
            return value
        self.changed(setting, f"lowered to {most}, the vendor's maximum")
        return most

    def _write_reasoning(self, effort: str) -> None:
        if not self._reasons:
            if effort != "none":
                self.unsupported("reasoning_effort", "the model does not reason")
        elif effort == "none":
            self.body["thinking"] = {"type": "disabled"}
        elif effort in _BUDGETS:
            self.body["thinking"] = {"type": "enabled", "token_budget": _BUDGETS[effort]}
        else:
            self.body["thinking"] = {"type": "enabled"}

    def _write_format(self, output: OutputSchema) -> None:
        fitted = fit(output.schema, DIALECT)
        if fitted.left_out:
            lost = ", ".join(fitted.left_out)
            self.changed("output", f"schema keywords that the vendor refuses were left out: {lost}")
        self.body["response_format"] = {"type": "json_object", "json_schema": fitted.schema}

    def _write_tools(self, request: ChatRequest) -> None:
        choice, tools = request.options.tool_choice, request.tools
        if request.output is not None and choice in (None, "auto", "required", "none"):
            # The vendor takes no output schema beside tools: one more tool stands in for it, and one must be called.
            tools = (*(() if choice == "none" else tools), _output_tool(request.output))
            choice = "required"
        if choice not in (None, "auto", "none", "required"):
            # The vendor cannot name a tool: one that is alone and required comes to the same.
            tools = tuple([tool for tool in tools if tool.name == choice]) or tools
            choice = "required"
            self.changed("tool_choice", "sent with that tool alone, as required")
        self.body["tools"] = [function_tool(tool, strict=False) for tool in tools]
        if choice in ("required", "none"):
            self.body["tool_choice"] = choice.upper()
        if any(tool.strict for tool in tools):
            self.body["strict_tools"] = True
            if not all(tool.strict for tool in tools):
                self.changed("tools.strict", "the vendor makes all tools strict, or none")
        if request.options.parallel_tool_calls is False:
            self.unsupported("parallel_tool_calls", "the vendor cannot be held to one call at a time")


def _output_tool(output: OutputSchema) -> Tool:
    return Tool(**output_tool(output, "parameters"))
