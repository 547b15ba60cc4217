"""Decodes Mistral's answers: a stream's chunks, and a whole answer as one chunk that holds everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.stream import Finish, ResponseMetadata, ToolCallDelta, ToolCallEnd, ToolCallStart
from orchestrator_providers.mistral.blocks import Blocks
from orchestrator_providers.mistral.profile import KIND, PROFILE
from orchestrator_providers.mistral.usage import read_usage
from orchestrator_providers.openai.calls import PendingCall, pending_call
from orchestrator_providers.openai.errors import embedded_error
from orchestrator_providers.openai.mappings import finish, identify
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import label, mapping, read_object

__all__ = ["MistralDecoder"]

_DONE = b"[DONE]"


class MistralDecoder(FrameDecoder):
    """The last chunk has the finish reason and the usage; `[DONE]` follows, and proves nothing without them."""

    __slots__ = ("_blocks", "_calls", "_ended", "_identity", "_reason")

    def __init__(self) -> None:
        super().__init__()
        self._identity = ResponseMetadata()
        self._ended: dict[int, bool] = {}  # by choice: its finish reason has come
        self._reason: str | None = None
        self._blocks = Blocks()
        self._calls: list[PendingCall] = []

    def _frame(self, event: str, data: bytes, out: Decoded) -> None:
        if data.strip() == _DONE:
            self._finish_at_end(out)
            return
        chunk = read_object(data, "answer")
        if chunk.get("error") or chunk.get("object") == "error":
            raise embedded_error(data, {}, PROFILE.quirks)
        self._identity = identify(self._identity, chunk, out)
        self.usage = read_usage(chunk) or self.usage
        for choice in chunk.get("choices") or ():
            self._choice(choice, out)
        self.closing = self._reason is not None and all(self._ended.values())

    def _finish_at_end(self, out: Decoded) -> None:
        if not self.closing:
            raise MalformedReply("the answer has no finish reason: it is not complete", maybe_billed=True)
        calls = [call for call in self._calls if not call.empty]
        built = [call.build(n, KIND) for n, call in enumerate(calls)]
        self._blocks.close(out)
        out.extend([ToolCallEnd(call.block, tool_call) for call, tool_call in zip(calls, built, strict=True)])
        others = {KIND: {"parts": self._blocks.others}} if self._blocks.others else None
        reason = finish(self._reason, calls=bool(calls), refused=False)
        out.append(Finish(reason=reason, usage=self.usage, provider_metadata=others))
        self.done = True

    def _choice(self, choice: Mapping[str, Any], out: Decoded) -> None:
        """A choice of several is read to its end, but only the first is given out."""
        index, reason = choice.get("index") or 0, label(choice.get("finish_reason"))
        self._ended[index] = self._ended.get(index, False) or reason is not None
        if index != 0:
            return
        for delta in _deltas(choice):
            self._delta(delta, out)
        if reason is not None:
            self._reason = reason
            finish(reason, calls=False, refused=False)  # raises where the vendor says that it failed

    def _delta(self, delta: Mapping[str, Any], out: Decoded) -> None:
        if delta.get("role") == "tool":
            self._blocks.others.append(delta)
            return
        self._blocks.add(delta.get("content"), out)
        for call in delta.get("tool_calls") or ():
            self._add_call(call, out)

    def _add_call(self, raw: Mapping[str, Any], out: Decoded) -> None:
        if raw.get("id") == "null":  # how this vendor writes that there is none; the index is 0 for all of them then
            raw = {**raw, "id": None, "index": None}
        call = pending_call(self._calls, raw)
        piece = call.add(raw)
        if call.name and not call.started:
            call.started = True
            out.append(ToolCallStart(call.block, call.name))
        if piece and call.started:
            out.append(ToolCallDelta(call.block, piece))


def _deltas(choice: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """What a choice says: a delta, a message, or several messages where the vendor ran tools of its own between."""
    found = mapping(choice.get("delta")) or mapping(choice.get("message"))
    return [found] if found else choice.get("messages") or ()
