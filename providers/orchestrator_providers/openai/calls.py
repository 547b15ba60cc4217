"""Tool calls as the vendors stream them: in pieces, by index or without, whole at once, with and without ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.types.chat import Text, ToolCall
from orchestrator_providers.openai.mappings import argument_text
from orchestrator_providers.shared.reading import label, mapping, tool_call
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["PendingCall", "pending_call", "read_calls", "read_pending"]


class PendingCall:
    """A tool call whose pieces are still coming."""

    __slots__ = ("block", "extra", "id", "index", "name", "pieces", "started")

    def __init__(self, block: str, index: Any) -> None:
        self.block = block
        self.index = index
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.extra: Any = None
        self.started = False

    @property
    def empty(self) -> bool:
        """Neither name nor arguments came: some vendors send such a shape where there is no call."""
        return not self.name and not self.pieces

    def add(self, raw: Mapping[str, Any]) -> str:
        """Take one piece; gives the argument text in it."""
        function = mapping(raw.get("function")) or mapping(raw.get("custom"))
        self.id = self.id or label(raw.get("id")) or ""
        self.name = self.name or label(function.get("name")) or ""
        self.extra = raw.get("extra_content") or self.extra
        piece = argument_text(function.get("arguments") or function.get("input"))
        if piece:
            self.pieces.append(piece)
        return piece

    @property
    def is_answer(self) -> bool:
        """It stands in for an output schema: its arguments are the answer's text."""
        return self.name == OUTPUT_TOOL

    @property
    def text(self) -> str:
        """The arguments as they came."""
        return "".join(self.pieces)

    def build(self, number: int, kind: str) -> ToolCall:
        """The complete call, `number` of its message. A vendor that gives no id gets `call_<number>`."""
        if not self.name:
            raise MalformedReply("a tool call has no name")
        # Gemini's thought signatures arrive here and must go back with the call.
        metadata = {kind: {"extra_content": self.extra}} if self.extra else None
        # Llama models write `null` for a tool without parameters.
        arguments = "" if self.text.strip() == "null" else self.text
        return tool_call(self.id or f"call_{number}", self.name, arguments, provider_metadata=metadata)


def pending_call(calls: list[PendingCall], raw: Mapping[str, Any]) -> PendingCall:
    """The call that a piece belongs to, a new one at the end of `calls` if it begins one."""
    index = raw.get("index")
    id_, named = label(raw.get("id")), label(mapping(raw.get("function")).get("name"))
    call = next((call for call in reversed(calls) if call.index == index), None) if calls else None
    if index is None and call is None and calls and not (id_ or named):
        call = calls[-1]
    # One index for several whole calls, or no index at all: then another id, or a name without one, begins a call.
    begins = named and call is not None and (id_ != call.id if id_ and call.id else index is None and not id_)
    if call is None or begins:
        call = PendingCall(f"call_{len(calls)}", index)
        calls.append(call)
    return call


def read_calls(message: Mapping[str, Any], kind: str) -> tuple[ToolCall | Text, ...]:
    """The tool calls of a whole message, by the same rules; an answer given by way of a call as its text."""
    raws: list[Any] = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        raws.append({"function": message["function_call"]})
    if not raws:
        return ()
    calls = [PendingCall("", None) for _ in raws]
    for call, raw in zip(calls, raws, strict=True):
        call.add(raw)
    return read_pending([call for call in calls if not call.empty], kind)


def read_pending(calls: Sequence[PendingCall], kind: str) -> tuple[ToolCall | Text, ...]:
    """What complete calls say, in their order."""
    return tuple([Text(call.text) if call.is_answer else call.build(n, kind) for n, call in enumerate(calls)])
