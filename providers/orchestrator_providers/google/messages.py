"""Writes a history as `contents`: turns of user and model by turns, tool results right after their calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Target
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.google.media import write_media
from orchestrator_providers.google.profile import Family
from orchestrator_providers.shared.histories import HistoryWriter

__all__ = ["History", "write_history"]

_Fields = dict[str, Any]

_ROLES = {"assistant": "model", "tool": "user", "user": "user"}
_BLANK = {"text": " "}
_NO_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""The signature that the vendor documents for calls which another model made (base64, as the field demands)."""


class History(HistoryWriter):
    """Messages written down.

    Attributes:
        system: parts of the system instruction, empty if there is none.
        contents: the turns, as the vendor wants them.
        warnings: marks of other vendors that were left out, and what had to be moved or added.
    """

    __slots__ = ("_calls", "_family", "_target", "contents", "system")

    def __init__(self, target: Target, family: Family) -> None:
        super().__init__(target.profile.kind)
        self._target = target
        self._family = family
        self._calls: dict[str, str] = {}
        self.system: list[_Fields] = []
        self.contents: list[_Fields] = []

    def add(self, message: Message) -> None:
        """Write one message down; neighbours of the same role become one turn."""
        parts = self._parts(message.parts)
        marks = self._marks(message.provider_metadata)
        if marks and parts:
            parts[-1].update(marks)
        if message.role == "system":
            self._add_system(parts)
        elif parts:
            self._add_turn(_ROLES[message.role], parts)

    def _add_system(self, parts: list[_Fields]) -> None:
        if any("text" not in part for part in parts):
            raise UnsupportedFeature("a system message can hold only text on this wire")
        if self.contents:
            self._repaired("a system message inside the conversation was moved to its beginning")
        self.system += parts

    def _add_turn(self, role: str, parts: list[_Fields]) -> None:
        if not self.contents or self.contents[-1]["role"] != role:
            self.contents.append({"role": role, "parts": []})
        before = self.contents[-1]["parts"]
        results = [part for part in parts if "functionResponse" in part]
        # Results open the turn that follows the calls, whatever was said in between.
        at = sum("functionResponse" in part for part in before)
        before[at:at] = results
        before += [part for part in parts if "functionResponse" not in part]

    def finish(self) -> None:
        """Repair what only the whole history shows."""
        self._move_system()
        if not self.contents or self.contents[0]["role"] != "user":
            self.contents.insert(0, {"role": "user", "parts": [dict(_BLANK)]})
            self._repaired("a blank user turn was put first, where the vendor demands one")
        for calls, results in zip(self.contents, self.contents[1:], strict=False):
            _order_results(calls["parts"], results["parts"])
        if self._family.signs_calls:
            for turn in self.contents:
                _sign_first_call(turn["parts"])

    def _move_system(self) -> None:
        if self.system and not self._family.system:
            self.contents.insert(0, {"role": "user", "parts": []})
            self.contents[0]["parts"] = self.system
            if len(self.contents) > 1 and self.contents[1]["role"] == "user":
                self.contents[0]["parts"] = self.system + self.contents.pop(1)["parts"]
            self.system = []
            self._repaired("the model takes no system instruction: it was put before the first user turn")

    def _parts(self, parts: Sequence[Part]) -> list[_Fields]:
        return [written for part in parts for written in _WRITERS[type(part)](self, part)]

    def _text(self, part: Text) -> list[_Fields]:
        marks = self._marks(part.provider_metadata)
        # An empty text says nothing, unless it carries a signature.
        return [{"text": part.text, **marks}] if part.text or marks else []

    def _reasoning(self, part: Reasoning) -> list[_Fields]:
        if not self._is_own(part):
            return []
        marks = self._marks(part.provider_metadata)
        return [dict(marks["part"])] if "part" in marks else [{"text": part.text, "thought": True, **marks}]

    def _media(self, part: Media) -> list[_Fields]:
        return [{**write_media(part, self._target), **self._marks(part.provider_metadata)}]

    def _tool_call(self, part: ToolCall) -> list[_Fields]:
        self._calls[part.id] = part.name
        # The vendor takes only objects.
        arguments = part.arguments if part.invalid_arguments is None else {"INVALID_JSON": part.invalid_arguments}
        call = {"id": part.id, "name": part.name, "args": arguments}
        return [{"functionCall": call, **self._marks(part.provider_metadata)}]

    def _tool_result(self, part: ToolResult) -> list[_Fields]:
        texts, media = _contents(part)
        key = "error" if part.is_error else "output"
        name = part.name or self._calls.get(part.id) or part.id
        result: _Fields = {"id": part.id, "name": name, "response": {key: "\n".join(texts)}}
        for inner in media:
            self._marks(inner.provider_metadata)
        written = [write_media(inner, self._target) for inner in media]
        if written and self._family.media_results:
            result["parts"], written = written, []
        marks = self._marks(part.provider_metadata)
        return [{"functionResponse": result, **marks}, *written]


_WRITERS: dict[type[Part], Callable[[History, Any], list[_Fields]]] = {
    Text: History._text,
    Media: History._media,
    Reasoning: History._reasoning,
    ToolCall: History._tool_call,
    ToolResult: History._tool_result,
}


def write_history(messages: Sequence[Message], target: Target, family: Family) -> History:
    """Write messages down.

    Raises:
        UnsupportedFeature: media that the wire cannot carry, or media in a system message.
    """
    history = History(target, family)
    for message in messages:
        history.add(message)
    history.finish()
    return history


def _contents(part: ToolResult) -> tuple[list[str], list[Media]]:
    if isinstance(part.content, str):
        return [part.content], []
    texts = [inner.text for inner in part.content if isinstance(inner, Text)]
    return texts, [inner for inner in part.content if isinstance(inner, Media)]


def _order_results(calls: list[_Fields], results: list[_Fields]) -> None:
    """Put results in the order of their calls: older models match them by place."""
    order = {part["functionCall"].get("id"): at for at, part in enumerate(calls) if "functionCall" in part}
    if order:
        count = sum("functionResponse" in part for part in results)
        results[:count] = sorted(
            results[:count], key=lambda part: order.get(part["functionResponse"].get("id"), len(calls))
        )


def _sign_first_call(parts: list[_Fields]) -> None:
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", _NO_SIGNATURE)
            return
