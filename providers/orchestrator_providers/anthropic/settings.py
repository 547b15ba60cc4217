"""Writes options, tools and output schema as the Messages API takes them, for the model's family."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.chat import ChatOptions, ChatRequest, OutputSchema, Tool
from orchestrator_providers.anthropic.profile import KIND, Family
from orchestrator_providers.anthropic.schema import closed_output, closed_parameters
from orchestrator_providers.shared.noting import Noting
from orchestrator_providers.shared.schemas import choice_with_output_tool, output_tool

__all__ = ["Settings"]

_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
_LEAST_BUDGET = 1024
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
_LEAST_TOP_P_THINKING = 0.95


class Settings(Noting):
    """Everything of a request's body but its messages.

    Attributes:
        body: fields as they are sent.
        warnings: what was left out or changed.
    """

    __slots__ = ("_family", "body")

    def __init__(self, family: Family, request: ChatRequest) -> None:
        super().__init__()
        self._family = family
        options = request.options
        self.body: dict[str, Any] = {"max_tokens": options.max_output_tokens}
        if options.max_output_tokens is None:
            self.body["max_tokens"] = family.max_output_tokens
        if request.tools or request.output is not None:
            self._write_tools(request)
        if options.reasoning_effort is not None:
            self._write_reasoning(options.reasoning_effort)
        if options.temperature is not None or options.top_p is not None:
            self._write_sampling(options)
        if options.stop:
            self._write_stop(options.stop)
        if options.seed is not None:
            self.unsupported("seed", "the vendor has no seed")
        self._check_lonely_choice(request)
        if options.provider_options:
            self._write_provider_options(options.provider_options.get(KIND) or {})

    def _write_sampling(self, options: ChatOptions) -> None:
        temperature, top_p = options.temperature, options.top_p
        if temperature is not None and (refused := self._refuses_temperature()):
            self.unsupported("temperature", refused)
            temperature = None
        if top_p is not None and (refused := self._refuses_top_p(top_p, alone=temperature is None)):
            self.unsupported("top_p", refused)
            top_p = None
        if temperature is not None:
            self.body["temperature"] = self._bounded(temperature)
        if top_p is not None:
            self.body["top_p"] = top_p

    def _refuses_temperature(self) -> str | None:
        if self._family.sampling == "none":
            return "the model takes no sampling settings"
        return "not together with reasoning" if self._thinks() else None

    def _refuses_top_p(self, top_p: float, *, alone: bool) -> str | None:
        if self._family.sampling == "none":
            return "the model takes no sampling settings"
        if self._family.sampling == "one" and not alone:
            return "the model takes temperature or top_p, not both"
        if self._thinks() and top_p < _LEAST_TOP_P_THINKING:
            return f"with reasoning the vendor takes {_LEAST_TOP_P_THINKING} or more"
        return None

    def _bounded(self, temperature: float) -> float:
        if temperature <= 1:
            return temperature
        self.changed("temperature", "lowered to 1, the vendor's maximum")
        return 1.0

    def _thinks(self) -> bool:
        return "thinking" in self.body and self.body["thinking"]["type"] != "disabled"

    def _write_stop(self, stop: tuple[str, ...]) -> None:
        accepted = [text for text in stop if text.strip()]
        if len(accepted) < len(stop):
            self.unsupported("stop", "stop sequences of white space only are refused by the vendor")
        if accepted:
            self.body["stop_sequences"] = accepted

    def _write_reasoning(self, effort: str) -> None:
        thinking = self._family.thinking
        if thinking == "none":
            if effort != "none":
                self.unsupported("reasoning_effort", "the model does not reason")
        elif effort == "none":
            self._silence()
        elif thinking == "budget":
            self._write_budget(_BUDGETS[effort])
        else:
            if thinking == "adaptive":
                self.body["thinking"] = {"type": "adaptive"}
            self._write_effort(_EFFORTS[effort])

    def _silence(self) -> None:
        if self._family.thinking == "default":
            self.body["thinking"] = {"type": "disabled"}
        elif self._family.thinking == "always":
            self._write_effort("low")
            self.changed("reasoning_effort", "the model always reasons: sent as low")

    def _write_effort(self, effort: str) -> None:
        self.body.setdefault("output_config", {})["effort"] = effort

    def _write_budget(self, budget: int) -> None:
        if self._forces_a_tool():
            self.unsupported("reasoning_effort", "the model cannot reason when it must call a tool")
            return
        # The budget is part of the output: half of that at most, so that room for the answer is left.
        granted = min(budget, self.body["max_tokens"] // 2)
        if granted < _LEAST_BUDGET:
            self.unsupported("reasoning_effort", f"max_output_tokens below {2 * _LEAST_BUDGET} leaves no room for it")
            return
        if granted < budget:
            self.changed("reasoning_effort", f"thinking is limited to half of max_output_tokens, {granted} tokens")
        self.body["thinking"] = {"type": "enabled", "budget_tokens": granted}

    def _forces_a_tool(self) -> bool:
        return self.body.get("tool_choice", {}).get("type") in ("any", "tool")

    def _write_tools(self, request: ChatRequest) -> None:
        tools = [self._tool(tool) for tool in request.tools]
        choice = request.options.tool_choice
        if request.output is not None and not self._write_format(request.output):
            tools.append(output_tool(request.output, "input_schema"))
            choice = choice_with_output_tool(choice, alone=not request.tools)
        if not tools:
            return
        self.body["tools"] = tools
        written = _write_choice(choice, parallel=request.options.parallel_tool_calls)
        if written:
            self.body["tool_choice"] = written
        if not self._family.forced_tools and self._forces_a_tool():
            raise UnsupportedFeature("the model cannot be made to call a tool, which this tool_choice or output needs")

    def _write_format(self, output: OutputSchema) -> bool:
        """Ask for the schema as such; False if only a tool can stand in for it."""
        if not self._family.json_schema:
            return False
        schema = closed_output(output, self)
        if schema is None:
            return False
        self.body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return True

    def _tool(self, tool: Tool) -> dict[str, Any]:
        written: dict[str, Any] = {"name": tool.name, "input_schema": tool.parameters}
        if tool.description:
            written["description"] = tool.description
        if tool.strict:
            self._make_strict(tool, written)
        return written

    def _make_strict(self, tool: Tool, written: dict[str, Any]) -> None:
        if not self._family.json_schema:
            self.unsupported("tools.strict", "the model has no strict tools")
            return
        schema = closed_parameters(tool, self)
        if schema is not None:
            written["input_schema"] = schema
            written["strict"] = True

    def _check_lonely_choice(self, request: ChatRequest) -> None:
        if request.options.tool_choice not in (None, "auto", "none") and "tools" not in self.body:
            self.unsupported("tool_choice", "there are no tools to choose from")

    def _write_provider_options(self, extra: Any) -> None:
        ours = self.body.get("output_config")
        self.body.update(extra)
        if ours and isinstance(extra.get("output_config"), dict):
            # Two settings share this object: an effort from the caller must not drop the schema.
            self.body["output_config"] = ours | extra["output_config"]


def _write_choice(choice: str | None, *, parallel: bool | None) -> dict[str, Any] | None:
    if choice is None and parallel is not False:
        return None
    kind = _CHOICES.get(choice or "auto", "tool")
    written: dict[str, Any] = {"type": kind}
    if kind == "tool":
        written["name"] = choice
    if parallel is False and kind != "none":
        written["disable_parallel_tool_use"] = True
    return written
