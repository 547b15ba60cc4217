"""Writes options, tools and output schema as Converse takes them, for the model at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.types.chat import ChatOptions, ChatRequest, OutputSchema, Tool
from orchestrator_providers.anthropic.schema import closed_output, closed_parameters
from orchestrator_providers.bedrock.profile import KIND, vendor
from orchestrator_providers.bedrock.reasoning import Thinking, ask_to_reason
from orchestrator_providers.shared.noting import Noting
from orchestrator_providers.shared.schemas import choice_with_output_tool, output_tool

__all__ = ["Settings"]

_WORDS = frozenset({"auto", "none", "required"})
_LEAST_TOP_P_THINKING = 0.95
_EXTRA = "additionalModelRequestFields"


class Settings(Noting):
    """Everything of a request's body but its messages.

    Attributes:
        body: fields as they are sent.
        warnings: what was left out or changed.
    """

    __slots__ = ("_extra", "_inference", "_model", "_profile", "body")

    def __init__(self, model: str, profile: ModelProfile, request: ChatRequest, called: Iterable[str] = ()) -> None:
        super().__init__()
        self._model = model
        self._profile = profile
        self._extra: dict[str, Any] = {}
        self._inference: dict[str, Any] = {}
        self.body: dict[str, Any] = {}
        options = request.options
        self._write_tools(request, called)
        self._write_cap(options)
        self._write_sampling(options, self._write_reasoning(options))
        if options.stop:
            self._write_stop(options.stop)
        if options.seed is not None:
            self.unsupported("seed", "the API has no seed")
        self._close((options.provider_options or {}).get(KIND) or {})

    def _close(self, extra: Mapping[str, Any]) -> None:
        if self._inference:
            self.body["inferenceConfig"] = self._inference
        if self._extra:
            self.body[_EXTRA] = self._extra
        for key, value in extra.items():
            ours = self.body.get(key)
            # Several settings share these objects: one of the caller's must not drop the others.
            self.body[key] = _joined(ours, value) if isinstance(ours, dict) and isinstance(value, Mapping) else value

    def _write_cap(self, options: ChatOptions) -> None:
        # Without a cap the vendor reserves the model's whole output against the account's tokens per minute.
        known = [self._profile.default_output_tokens, self._profile.max_output_tokens]
        usual = None if known[0] is None else min(number for number in known if number is not None)
        cap = options.max_output_tokens or usual
        if cap is not None:
            self._inference["maxTokens"] = cap

    def _write_reasoning(self, options: ChatOptions) -> Thinking:
        if options.reasoning_effort is None:
            return Thinking()
        thinking = ask_to_reason(
            options.reasoning_effort,
            self._model,
            self._profile,
            output_tokens=self._inference.get("maxTokens"),
            forced_tool="toolChoice" in self.body.get("toolConfig", {}),
        )
        self._extra |= thinking.fields
        self.warnings += thinking.warnings
        if thinking.alone and self._inference.pop("maxTokens", None) and options.max_output_tokens:
            self.unsupported("max_output_tokens", "not together with this reasoning effort")
        return thinking

    def _write_sampling(self, options: ChatOptions, thinking: Thinking) -> None:
        temperature, top_p = options.temperature, options.top_p
        if temperature is not None and (refused := self._refuses("temperature", thinking)):
            self.unsupported("temperature", refused)
            temperature = None
        if top_p is not None and (refused := self._refuses_top_p(top_p, thinking, alone=temperature is None)):
            self.unsupported("top_p", refused)
            top_p = None
        if temperature is not None:
            self._inference["temperature"] = self._bounded(temperature)
        if top_p is not None:
            self._inference["topP"] = top_p

    def _refuses(self, name: str, thinking: Thinking) -> str | None:
        if name in self._profile.refuses:
            return "the model does not take it"
        excluded = name == "temperature" or name in self._profile.refuses_when_reasoning
        return "not together with reasoning" if thinking.alone or (thinking.active and excluded) else None

    def _refuses_top_p(self, top_p: float, thinking: Thinking, *, alone: bool) -> str | None:
        if refused := self._refuses("top_p", thinking):
            return refused
        if self._profile.one_sampling and not alone:
            return "the model takes temperature or top_p, not both"
        if thinking.active and top_p < _LEAST_TOP_P_THINKING:
            return f"with reasoning the model takes {_LEAST_TOP_P_THINKING} or more"
        return None

    def _bounded(self, temperature: float) -> float:
        if temperature <= 1:
            return temperature
        self.changed("temperature", "lowered to 1, the vendor's maximum")
        return 1.0

    def _write_stop(self, stop: tuple[str, ...]) -> None:
        if "stop" in self._profile.refuses:
            self.unsupported("stop", "the model does not take it")
            return
        accepted = [text for text in stop if text.strip()]
        if len(accepted) < len(stop):
            self.unsupported("stop", "stop sequences of white space only are refused by the vendor")
        if accepted:
            self._inference["stopSequences"] = accepted

    def _write_tools(self, request: ChatRequest, called: Iterable[str]) -> None:
        if request.tools and self._profile.tools is False:
            raise UnsupportedFeature("the model calls no tools")
        tools = [self._tool(tool) for tool in request.tools]
        choice = request.options.tool_choice
        if request.output is not None and not self._write_format(request.output):
            tools.append(_output_tool(request.output))
            choice = choice_with_output_tool(choice, alone=not request.tools)
        elif choice == "none" and tools:
            tools = self._silenced(tools, called)
        if tools:
            self.body["toolConfig"] = {"tools": tools}
            self._write_choice(choice, parallel=request.options.parallel_tool_calls)
        elif remembered := self._remembered(called):
            self.body["toolConfig"] = {"tools": remembered}
        if choice not in (None, "auto", "none") and not tools:
            self.unsupported("tool_choice", "there are no tools to choose from")

    def _silenced(self, tools: list[dict[str, Any]], called: Iterable[str]) -> list[dict[str, Any]]:
        # The vendor has no such choice, but a model cannot call what it is not given.
        if not list(called):
            return []
        self.unsupported("tool_choice", "the API cannot forbid calls while the history holds some")
        return tools

    def _remembered(self, called: Iterable[str]) -> list[dict[str, Any]]:
        # A history with calls is refused unless some tool is defined.
        found = [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called]
        if found:
            self.changed("tools", "the tools that the history calls were defined, by name only")
        return found

    def _write_choice(self, choice: str | None, *, parallel: bool | None) -> None:
        config = self.body["toolConfig"]
        if choice is not None and choice not in ("auto", "none"):
            if self._profile.forced_tools is False:
                message = "the model cannot be made to call a tool, which this tool_choice or output needs"
                raise UnsupportedFeature(message)
            # More models know `any` than `tool`; with one tool they mean the same.
            named = choice not in _WORDS and len(config["tools"]) > 1
            config["toolChoice"] = {"tool": {"name": choice}} if named else {"any": {}}
        if parallel is not False:
            return
        if vendor(self._model) != "anthropic":
            self.unsupported("parallel_tool_calls", "the API has no such setting for the model")
            return
        # The vendor refuses a type here beside its own toolChoice.
        kind = {} if "toolChoice" in config else {"type": "auto"}
        self._extra["tool_choice"] = {**kind, "disable_parallel_tool_use": True}

    def _write_format(self, output: OutputSchema) -> bool:
        """Ask for the schema as such; False if only a tool can stand in for it."""
        if self._profile.json_schema is not True:
            return False
        schema = closed_output(output, self)
        if schema is None:
            return False
        wanted = {"name": output.name, "schema": orjson.dumps(schema).decode()}
        self.body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": wanted}}}
        return True

    def _tool(self, tool: Tool) -> dict[str, Any]:
        written: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": tool.parameters}}
        if tool.description:
            written["description"] = tool.description
        if tool.strict:
            self._make_strict(tool, written)
        return {"toolSpec": written}

    def _make_strict(self, tool: Tool, written: dict[str, Any]) -> None:
        if self._profile.json_schema is not True:
            self.unsupported("tools.strict", "the model is not known to have strict tools")
            return
        schema = closed_parameters(tool, self)
        if schema is not None:
            written["inputSchema"] = {"json": schema}
            written["strict"] = True


def _joined(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Two levels deep: `additionalModelRequestFields.output_config` is shared too."""
    both = dict(ours)
    for key, value in theirs.items():
        mine = both.get(key)
        both[key] = {**mine, **value} if isinstance(mine, dict) and isinstance(value, Mapping) else value
    return both


def _output_tool(output: OutputSchema) -> dict[str, Any]:
    spec = output_tool(output, "inputSchema")
    return {"toolSpec": spec | {"inputSchema": {"json": spec["inputSchema"]}}}
