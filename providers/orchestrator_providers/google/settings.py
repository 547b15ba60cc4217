"""Writes options, tools and output schema as `generateContent` takes them, for the model's family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Target
from orchestrator.types.chat import ChatOptions, ChatRequest, OutputSchema
from orchestrator_providers.google.profile import Family
from orchestrator_providers.google.schema import write_schema
from orchestrator_providers.google.tools import Tools
from orchestrator_providers.shared.noting import Noting

__all__ = ["Settings"]

_FIELDS = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_output_tokens": "maxOutputTokens",
    "seed": "seed",
}
_MOST_TEMPERATURE = 2.0
_MOST_STOPS = 5
# Tokens of thinking that the vendor's own compatible endpoint gives each effort, and half of its least for less.
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
_SCALE = ("minimal", "low", "medium", "high")


class Settings(Noting):
    """Everything of a request's body but its messages.

    Attributes:
        body: fields as they are sent.
        warnings: what was left out or changed.
    """

    __slots__ = ("_config", "_family", "_refuses", "body")

    def __init__(self, target: Target, family: Family, request: ChatRequest) -> None:
        super().__init__()
        self._family = family
        self._refuses = target.model_profile.refuses
        self._config: dict[str, Any] = {}
        self.body: dict[str, Any] = {}
        self._write_sampling(request.options)
        if request.options.reasoning_effort is not None:
            self._write_reasoning(request.options.reasoning_effort)
        as_tool = request.output is not None and not self._fits(request, target)
        if request.output is not None and not as_tool:
            self._write_output(request.output)
        tools = Tools(family, request, output_as_tool=as_tool)
        self.body |= tools.body
        self.warnings += tools.warnings
        if self._config:
            self.body["generationConfig"] = self._config
        if request.options.provider_options:
            self._write_provider_options(request.options.provider_options.get(target.profile.kind) or {})

    def _write_sampling(self, options: ChatOptions) -> None:
        for name, field in _FIELDS.items():
            value = getattr(options, name)
            if value is not None and self._takes(name):
                self._config[field] = value
        if self._config.get("temperature", 0) > _MOST_TEMPERATURE:
            self._config["temperature"] = _MOST_TEMPERATURE
            self.changed("temperature", "lowered to 2, the vendor's maximum")
        if options.stop and self._takes("stop"):
            self._config["stopSequences"] = list(options.stop[:_MOST_STOPS])
            if len(options.stop) > _MOST_STOPS:
                self.unsupported("stop", f"the vendor takes {_MOST_STOPS} stop sequences; the others were left out")

    def _takes(self, setting: str) -> bool:
        if setting in self._refuses:
            self.unsupported(setting, "the model takes no value of it")
            return False
        return True

    def _fits(self, request: ChatRequest, target: Target) -> bool:
        """The model follows an output schema by itself; before Gemini 3 the vendor refuses one beside tools."""
        if target.model_profile.json_schema is False:
            return False
        return self._family.schema_with_tools or not request.tools

    def _write_output(self, output: OutputSchema) -> None:
        written = write_schema(output.schema, json_schema=self._family.json_schema)
        self._config["responseMimeType"] = "application/json"
        self._config["responseJsonSchema" if self._family.json_schema else "responseSchema"] = written.schema
        if written.left_out:
            self.changed(
                "output", f"schema keywords that the vendor has not were left out: {', '.join(written.left_out)}"
            )

    def _write_reasoning(self, effort: str) -> None:
        reasoning = self._family.reasoning
        if "reasoning_effort" in self._refuses or reasoning == "none":
            if effort != "none":
                self.unsupported("reasoning_effort", "the model does not reason, or not as deep as one asks")
        elif reasoning == "budget":
            self._write_budget(effort)
        else:
            self._write_level(effort)

    def _write_budget(self, effort: str) -> None:
        least = self._family.least_budget
        if effort == "none":
            self._config["thinkingConfig"] = {"thinkingBudget": least}
            if least:
                self.changed("reasoning_effort", f"the model always reasons: sent as {least} tokens, its least")
            return
        granted = max(self._granted(_BUDGETS[effort]), least)
        self._config["thinkingConfig"] = {"thinkingBudget": granted, "includeThoughts": True}

    def _granted(self, budget: int) -> int:
        # Thinking is part of the output: half of that at most, so that room for the answer is left.
        cap = self._config.get("maxOutputTokens")
        if cap is None or budget <= cap // 2:
            return budget
        self.changed("reasoning_effort", f"thinking is limited to half of max_output_tokens, {cap // 2} tokens")
        return int(cap // 2)

    def _write_level(self, effort: str) -> None:
        level = _nearest(effort, self._family.efforts)
        if level != effort:
            self.changed("reasoning_effort", f"sent as {level}, the nearest that the model takes")
        self._config["thinkingConfig"] = {"thinkingLevel": level}
        if effort != "none":
            self._config["thinkingConfig"]["includeThoughts"] = True

    def _write_provider_options(self, extra: Mapping[str, Any]) -> None:
        tools = [*self.body.get("tools", ()), *extra.get("tools", ())]
        self.body = _merged(self.body, extra)
        if tools:
            self.body["tools"] = tools  # the vendor's own tools come beside the caller's
        config = self.body.get("generationConfig") or {}
        if (config.get("candidateCount") or 1) > 1:
            raise UnsupportedFeature("one answer per request: candidateCount must be 1")
        calling = (self.body.get("toolConfig") or {}).get("functionCallingConfig") or {}
        if calling.get("streamFunctionCallArguments"):
            raise UnsupportedFeature("arguments come in one piece: streamFunctionCallArguments must be off")


def _nearest(effort: str, known: tuple[str, ...]) -> str:
    """The known effort nearest to the one asked for, the lesser of two; the least for `none`."""
    if effort in known or not known:
        return effort
    ranked = [name for name in known if name in _SCALE]
    if effort == "none" or not ranked:
        return known[0]
    place = _SCALE.index(effort)
    return min(ranked, key=lambda name: (abs(_SCALE.index(name) - place), _SCALE.index(name)))


def _merged(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Objects together, key by key: a setting from the caller must not drop the others beside it."""
    both = dict(ours)
    for key, value in extra.items():
        before = both.get(key)
        both[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return both
