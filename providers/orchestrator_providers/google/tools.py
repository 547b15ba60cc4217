"""Writes tools and the choice among them as `generateContent` takes them."""

from __future__ import annotations

from typing import Any

from orchestrator.types.chat import ChatRequest, OutputSchema, Tool
from orchestrator_providers.google.profile import Family
from orchestrator_providers.google.schema import write_schema
from orchestrator_providers.shared.noting import Noting
from orchestrator_providers.shared.schemas import OUTPUT_TOOL, choice_with_output_tool

__all__ = ["Tools"]


class Tools(Noting):
    """The fields `tools` and `toolConfig`.

    Attributes:
        body: those of the two that are needed.
        warnings: what was left out or changed.
    """

    __slots__ = ("_family", "body")

    def __init__(self, family: Family, request: ChatRequest, *, output_as_tool: bool) -> None:
        super().__init__()
        self._family = family
        self.body: dict[str, Any] = {}
        choice = request.options.tool_choice
        tools = list(request.tools)
        if output_as_tool and request.output is not None:
            tools.append(_output_tool(request.output))
            choice = choice_with_output_tool(choice, alone=not request.tools)
        if tools:
            self._write(tools, choice)
        elif choice not in (None, "auto", "none"):
            self.unsupported("tool_choice", "there are no tools to choose from")
        if request.options.parallel_tool_calls is False and request.tools:
            self.unsupported("parallel_tool_calls", "the vendor cannot be held to one call at a time")

    def _write(self, tools: list[Tool], choice: str | None) -> None:
        self.body["tools"] = [{"functionDeclarations": [self._declare(tool) for tool in tools]}]
        written = _write_choice(choice, strict=any(tool.strict for tool in tools))
        if written:
            self.body["toolConfig"] = {"functionCallingConfig": written}

    def _declare(self, tool: Tool) -> dict[str, Any]:
        written = write_schema(tool.parameters, json_schema=self._family.json_schema)
        if written.left_out:
            # A hint is lost, no promise: what the model calls with is checked by the tool.
            lost = ", ".join(written.left_out)
            self.changed("tools", f"left out of the parameters of {tool.name!r}: {lost}")
        key = "parametersJsonSchema" if self._family.json_schema else "parameters"
        declared: dict[str, Any] = {"name": tool.name, key: written.schema}
        return declared | ({"description": tool.description} if tool.description else {})


def _output_tool(output: OutputSchema) -> Tool:
    return Tool(name=OUTPUT_TOOL, description="Gives the final answer.", parameters=output.schema)


def _write_choice(choice: str | None, *, strict: bool) -> dict[str, Any] | None:
    """The calling mode: VALIDATED is AUTO that keeps to the parameters' schemas, which ANY does by itself."""
    if choice in (None, "auto"):
        mode = "VALIDATED" if strict else "AUTO"
        return {"mode": mode} if choice or strict else None
    if choice == "none":
        return {"mode": "NONE"}
    if choice == "required":
        return {"mode": "ANY"}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}
