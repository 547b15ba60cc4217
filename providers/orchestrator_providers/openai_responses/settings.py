"""Writes options, tools and output schemas down; leaves out, with a warning, what the API or the model refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Target
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatOptions, ChatRequest, JsonSchema, OutputSchema, Tool
from orchestrator_providers.openai.outputs import strict_form
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.shared.noting import Noting
from orchestrator_providers.shared.schemas import OUTPUT_TOOL, output_tool

__all__ = ["Settings"]

# Facts about models by name, for those that no profile is known of; gateways write the vendor before it.
_REASONS = re.compile(r"(?:.*[/.])?(?:o\d(?:-|$)|gpt-[5-9](?!.*chat)|codex-|grok-[4-9](?!.*non-reasoning))")
_REFUSES_SAMPLING = re.compile(r"(?:.*[/.])?(?:o\d(?:-|$)|gpt-5(?!.*chat))")
_NO_REASONING = re.compile(r"(?:.*[/.])?(?:gpt-3|gpt-4|chatgpt-)")
_CHOICES = frozenset({"auto", "none", "required"})
_EFFORTS = ("none", "minimal", "low", "medium", "high")
_SAMPLING = ("temperature", "top_p")
_LEAST_OUTPUT = 16
"""OpenAI refuses a smaller `max_output_tokens`."""

_SILENT = {"effort": "none"}
_ENCRYPTED = "reasoning.encrypted_content"


class Settings:
    """Writes the settings of requests to one model."""

    __slots__ = ("_kind", "_least_output", "_model", "_reasons", "_refused", "_refused_reasoning", "_unreasoning")

    def __init__(self, target: Target) -> None:
        quirks: Quirks = target.profile.quirks
        model = target.model_profile
        self._kind = target.profile.kind
        self._model = model
        self._least_output = _LEAST_OUTPUT if quirks.openai_models else 1
        self._reasons = _reasons(model, target.model)
        # With effort `none` these models sample like any other.
        named = quirks.openai_models and not model.family and _REFUSES_SAMPLING.match(target.model)
        self._refused = quirks.unsupported | model.refuses
        self._refused_reasoning = model.refuses_when_reasoning | frozenset(_SAMPLING if named else ())
        self._unreasoning = model.reasoning == "none" or (
            model.reasoning is None and quirks.openai_models and bool(_NO_REASONING.match(target.model))
        )

    def write(self, request: ChatRequest, warnings: list[CallWarning]) -> dict[str, Any]:
        """Everything of a request's body but model and input.

        The caller's own provider options come last, as they are; those that share a field with a setting (`tools`,
        `include`, `text`, `reasoning`) are put together with it.

        Raises:
            UnsupportedFeature: tools or an output schema that the model does not take.
        """
        body = _Body(warnings, self._kind)
        options = request.options
        if request.tools:
            self._write_tools(request.tools, body)
        if self._model.json_schema is False:
            self._write_output_tool(request, body)
        elif request.output is not None:
            self._write_output(request.output, body)
        self._write_sampling(options, body)
        for name in ("stop", "seed"):
            if getattr(options, name) is not None:
                body.unsupported(name, "the Responses API has no such setting")
        if options.max_output_tokens is not None:
            self._write_cap(options.max_output_tokens, body)
        if options.reasoning_effort is not None:
            self._write_effort(options.reasoning_effort, body)
        if self._reasons or body.fields.get("reasoning", _SILENT) != _SILENT:
            body.fields["include"] = [_ENCRYPTED]
        body.take((options.provider_options or {}).get(self._kind) or {})
        self._write_choice(options, body)
        return body.fields

    def _write_tools(self, tools: tuple[Tool, ...], body: _Body) -> None:
        if self._model.tools is False:
            raise UnsupportedFeature("the model takes no tools")
        body.fields["tools"] = [_tool(tool, body) for tool in tools]

    def _write_output(self, output: OutputSchema, body: _Body) -> None:
        schema, strict = body.fitted("output", output.schema) or (output.schema, False)
        body.fields["text"] = {
            "format": {"type": "json_schema", "name": output.name, "schema": schema, "strict": strict}
        }

    def _write_output_tool(self, request: ChatRequest, body: _Body) -> None:
        """A tool that must be called and whose arguments are the answer, for models that follow no output schema."""
        if request.output is None:
            return
        if self._model.tools is False or self._model.forced_tools is False:
            raise UnsupportedFeature("the model takes no output schemas, and cannot be made to call a tool")
        tool = {"type": "function", **output_tool(request.output, "parameters"), "strict": False}
        body.fields["tools"] = [*body.fields.get("tools", ()), tool]
        choice = request.options.tool_choice
        if not request.tools or choice == "none":
            body.fields["tool_choice"] = {"type": "function", "name": OUTPUT_TOOL}
        elif choice in (None, "auto"):
            body.fields["tool_choice"] = "required"  # which comes first is the model's choice; the answer is a call

    def _write_sampling(self, options: ChatOptions, body: _Body) -> None:
        refused = self._refused | (self._refused_reasoning if self._is_reasoning(options) else frozenset())
        given = [name for name in _SAMPLING if getattr(options, name) is not None]
        for name in given:
            value = getattr(options, name)
            if name in refused:
                # 1 is what reasoning models sample with anyway.
                if value != 1:
                    body.unsupported(name, f"left out: this model of {self._kind} does not take it")
            elif name == "top_p" and self._model.one_sampling and "temperature" in body.fields:
                body.unsupported(name, "left out: the model takes temperature or top_p, not both")
            else:
                body.fields[name] = value

    def _is_reasoning(self, options: ChatOptions) -> bool:
        if options.reasoning_effort is None:
            return self._model.reasoning not in ("none", "adaptive", "budget")
        return options.reasoning_effort != "none" or self._model.reasoning == "always"

    def _write_cap(self, tokens: int, body: _Body) -> None:
        if tokens < self._least_output:
            body.changed("max_output_tokens", f"raised to {self._least_output}, the vendor's minimum")
        body.fields["max_output_tokens"] = max(tokens, self._least_output)

    def _write_effort(self, effort: str, body: _Body) -> None:
        if self._unreasoning or "reasoning_effort" in self._refused:
            # No reasoning is what a model without it does anyway.
            if effort != "none":
                body.unsupported("reasoning_effort", f"left out: this model of {self._kind} does not take it")
            return
        nearest = _nearest(effort, self._model.efforts)
        if nearest != effort:
            body.changed("reasoning_effort", f"{nearest!r} is the model's nearest to {effort!r}")
        body.fields["reasoning"] = {"effort": nearest}

    def _write_choice(self, options: ChatOptions, body: _Body) -> None:
        """How tools are called; without tools, ours or the vendor's, there is nothing to say about it."""
        choice, parallel = options.tool_choice, options.parallel_tool_calls
        if not body.fields.get("tools"):
            if choice not in (None, "auto", "none"):
                body.unsupported("tool_choice", "there are no tools to choose from")
            return
        if choice is not None and "tool_choice" not in body.fields:
            if self._model.forced_tools is False and choice not in ("auto", "none"):
                raise UnsupportedFeature("the model cannot be made to call a tool")
            body.fields["tool_choice"] = choice if choice in _CHOICES else {"type": "function", "name": choice}
        if parallel is not None and "parallel_tool_calls" in self._refused:
            body.unsupported("parallel_tool_calls", f"left out: this model of {self._kind} does not take it")
        elif parallel is not None:
            body.fields.setdefault("parallel_tool_calls", parallel)


class _Body(Noting):
    """The fields of one request, and what was left out of them or changed."""

    __slots__ = ("_kind", "fields")

    def __init__(self, warnings: list[CallWarning], kind: str) -> None:
        super().__init__(warnings)
        self.fields: dict[str, Any] = {}
        self._kind = kind

    def fitted(self, setting: str, schema: JsonSchema) -> tuple[JsonSchema, bool] | None:
        """The schema as strict mode takes it, None if it cannot; notes what that cost."""
        form = strict_form(schema)
        if form is not None and form[1]:
            self.changed(setting, f"schema keywords that the vendor refuses were left out: {', '.join(form[1])}")
        return None if form is None else (form[0], True)

    def take(self, extra: Mapping[str, Any]) -> None:
        """Add the caller's own fields. Lists go on where ours end, objects keep what the caller does not name."""
        for name, value in extra.items():
            self.fields[name] = _joined(self.fields.get(name), value)


def _joined(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, list) and isinstance(theirs, list | tuple):
        return [*ours, *[one for one in theirs if one not in ours]]
    return {**ours, **theirs} if isinstance(ours, dict) and isinstance(theirs, Mapping) else theirs


def _reasons(model: ModelProfile, name: str) -> bool:
    """Whether encrypted reasoning can be asked for: models that do not reason refuse the question."""
    return bool(_REASONS.match(name)) if model.reasoning is None else model.reasoning != "none"


def _nearest(effort: str, efforts: tuple[str, ...]) -> str:
    known = [word for word in efforts if word in _EFFORTS]
    if not known or effort in known:
        return effort
    at = _EFFORTS.index(effort)
    return min(known, key=lambda word: abs(_EFFORTS.index(word) - at))


def _tool(tool: Tool, body: _Body) -> dict[str, Any]:
    fitted = body.fitted("tools.strict", tool.parameters) if tool.strict else None
    if tool.strict and fitted is None:
        body.unsupported("tools.strict", f"strict mode cannot say what the parameters of {tool.name!r} say")
    parameters, strict = fitted or (tool.parameters, False)
    # `strict` is said in any case: left out, this API makes every tool strict, and every parameter required.
    written = {"type": "function", "name": tool.name, "parameters": parameters, "strict": strict}
    if tool.description:
        written["description"] = tool.description
    return written
