"""Asks for structured output in the strongest form that a vendor and a model have.

An output schema; where there is none, a tool that must be called and whose arguments are the answer; where no tool can
be forced, JSON mode with the schema in the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.spec.models import ModelProfile
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatRequest, OutputSchema
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.shared.schemas import OUTPUT_TOOL, Dialect, children, fit, output_tool, schema_text

__all__ = ["OutputWriter", "strict_form"]

# By OpenAI's guide to structured outputs. Those of the first set only narrow the answer, which is checked against them
# when it has come; without those of the second it would be another answer.
_NARROWING = frozenset({"maxLength", "maxProperties", "minLength", "minProperties", "uniqueItems"})
_SHAPING = frozenset(
    {
        "allOf", "contains", "dependencies", "dependentRequired", "dependentSchemas", "else", "if", "maxContains",
        "minContains", "not", "patternProperties", "prefixItems", "propertyNames", "then", "unevaluatedItems",
        "unevaluatedProperties",
    }
)  # fmt: skip
_REMARKS = frozenset({"default", "discriminator"})
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
_MOST_PROPERTIES = 5_000
_MOST_ENUM_VALUES = 1_000
_MOST_CHARACTERS = 120_000
_MOST_LEVELS = 10


def _refuses(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value not in _FORMATS
    return keyword in _NARROWING or keyword in _SHAPING or keyword in _REMARKS


_STRICT = Dialect(refuses=_refuses, closes=True, any_of_only=True, lone_references=True)


class OutputWriter:
    """Writes the output schema of requests to one model."""

    __slots__ = ("_forced_tools", "_json_schema", "_may_reason", "_quirks")

    def __init__(self, quirks: Quirks, model: ModelProfile) -> None:
        self._quirks = quirks
        self._json_schema = quirks.json_schema and model.json_schema is not False
        self._may_reason = model.reasoning != "none"
        refused = model.tools is False or model.forced_tools is False
        self._forced_tools = quirks.tools and quirks.forced_tools != "never" and not refused

    def write(self, request: ChatRequest, body: dict[str, Any], warnings: list[CallWarning]) -> None:
        """Add to a body that holds messages, tools and settings."""
        output = request.output
        if output is None:
            return
        if self._json_schema:
            schema = self._schema(output, warnings)
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self._can_force(request):
            _force_tool(output, request, body)
        else:
            body["messages"] = _instructed(body["messages"], schema_text(output.schema))
            if not request.tools:  # JSON mode would keep the model from calling one
                body["response_format"] = {"type": "json_object"}

    def _can_force(self, request: ChatRequest) -> bool:
        may_reason = self._may_reason and request.options.reasoning_effort != "none"
        return self._forced_tools and (self._quirks.forced_tools == "always" or not may_reason)

    def _schema(self, output: OutputSchema, warnings: list[CallWarning]) -> dict[str, Any]:
        if not self._quirks.openai_models:
            return {"name": output.name, "schema": output.schema, "strict": output.strict}
        form = strict_form(output.schema)
        if form is None:
            return {"name": output.name, "schema": output.schema, "strict": False}
        schema, lost = form
        if lost:
            text = f"schema keywords that the vendor refuses were left out: {', '.join(lost)}"
            warnings.append(CallWarning("compatibility", "output", text))
        return {"name": output.name, "schema": schema, "strict": True}


def strict_form(schema: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The schema as OpenAI's strict mode takes it, and the keywords it lost, sorted; None if the mode cannot say it."""
    fitted = fit(schema, _STRICT)
    lost = set(fitted.left_out) - _REMARKS
    if fitted.is_open or not fitted.requires_all or lost & _SHAPING or not _fits_strict_mode(fitted.schema):
        return None
    return fitted.schema, tuple(sorted(lost))


def _force_tool(output: OutputSchema, request: ChatRequest, body: dict[str, Any]) -> None:
    body["tools"] = [*body.get("tools", ()), {"type": "function", "function": output_tool(output, "parameters")}]
    choice = request.options.tool_choice
    if not request.tools or choice == "none":
        body["tool_choice"] = {"type": "function", "function": {"name": OUTPUT_TOOL}}
    elif choice in (None, "auto"):
        body["tool_choice"] = "required"  # the model picks which comes first; the answer is a call in any case


def _instructed(messages: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """With the text at the end of the system message, which becomes the first if there is none."""
    first = messages[0] if messages else {}
    if first.get("role") != "system":
        return [{"role": "system", "content": text}, *messages]
    said = first["content"]
    content = f"{said}\n\n{text}" if isinstance(said, str) else [*said, {"type": "text", "text": text}]
    return [first | {"content": content}, *messages[1:]]


def _fits_strict_mode(schema: Mapping[str, Any]) -> bool:
    """An object at the top, and within the vendor's sizes."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    properties, values, characters = _sizes(schema)
    small = properties <= _MOST_PROPERTIES and values <= _MOST_ENUM_VALUES and characters <= _MOST_CHARACTERS
    return small and _levels(schema) <= _MOST_LEVELS


def _sizes(schema: Mapping[str, Any]) -> tuple[int, int, int]:
    """Properties, enum values, and characters of the names and values that the vendor counts."""
    named = [*schema.get("properties", ()), *schema.get("$defs", ()), *schema.get("definitions", ())]
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    sizes = len(schema.get("properties", ())), len(schema.get("enum", ())), sum(len(str(one)) for one in named + values)
    for child in children(schema):
        inner = _sizes(child)
        sizes = sizes[0] + inner[0], sizes[1] + inner[1], sizes[2] + inner[2]
    return sizes


def _levels(schema: Mapping[str, Any]) -> int:
    own = 1 if schema.get("properties") else 0
    return own + max([_levels(child) for child in children(schema)], default=0)
