"""Streamed chat answers: chunks in, events out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded, Frame
from orchestrator.types.chat import FinishReason, Media, Text, ToolCall
from orchestrator.types.stream import (
    Finish,
    MediaBlock,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResponseMetadata,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator_providers.openai import mappings
from orchestrator_providers.openai.audio import Sound
from orchestrator_providers.openai.calls import PendingCall, pending_call, read_pending
from orchestrator_providers.openai.errors import embedded_error
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.usage import read_usage
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import mapping
from orchestrator_providers.shared.repeats import Delta, Repeats

__all__ = ["OpenAIStream"]

_DONE = b"[DONE]"
_TEXT = "text"
_REASONING = "reasoning"


class OpenAIStream(FrameDecoder):
    """Decodes one stream. Text and reasoning are one block each, open until the end, as in a whole reply."""

    __slots__ = (
        "_calls",
        "_details",
        "_ended",
        "_extras",
        "_identity",
        "_images",
        "_kind",
        "_quirks",
        "_reason",
        "_reasoning",
        "_reasoning_field",
        "_refused",
        "_repeats",
        "_sound",
        "_text",
    )

    def __init__(self, kind: str, quirks: Quirks) -> None:
        super().__init__()
        self._kind = kind
        self._quirks = quirks
        self._identity = ResponseMetadata()
        self._ended: dict[int, bool] = {}  # by choice: its finish reason has come
        self._reason: str | None = None
        self._text = self._reasoning = self._refused = False
        self._reasoning_field = ""
        self._details: list[dict[str, Any]] = []
        self._calls: list[PendingCall] = []
        self._images = 0
        self._sound = Sound()
        self._extras: dict[str, Any] = {}
        self._repeats = Repeats()

    def feed(self, frames: Sequence[Frame]) -> Decoded:
        """See `StreamDecoder.feed`."""
        out: Decoded = []
        for frame in frames:
            if self.done or self.failed:
                break
            again = None if frame[0] else self._repeats.read(frame[1])
            if again is None:
                out += super().feed((frame,))
            else:
                out.append(again)
        return out

    def _frame(self, event: str, data: bytes, out: Decoded) -> None:
        data = data.strip()
        if data == _DONE:
            self._terminate(out, at_mark=True)
        elif data:
            chunk = orjson.loads(data)
            plain = None if event else self._plain(chunk)
            if plain is None:
                self._chunk(event, data, chunk, out)
            else:
                out.append(plain)
                self._repeats.learn(data, plain, self._plain)

    def _finish_at_end(self, out: Decoded) -> None:
        self._terminate(out, at_mark=False)

    def _terminate(self, out: Decoded, *, at_mark: bool) -> None:
        complete = self.closing or (at_mark and 0 in self._ended and self._quirks.finish_optional)
        if not complete:
            raise MalformedReply("the stream ended without its terminal signal", maybe_billed=True)
        self._finish(out)

    def _plain(self, chunk: Any) -> Delta | None:
        """The event of a chunk that only lengthens an open block, as nearly all do. None: take the long way round."""
        choices = chunk.get("choices")
        if not choices or len(choices) != 1 or chunk.get("usage") or chunk.get("error"):
            return None
        choice = choices[0]
        delta = choice.get("delta")
        if not delta or choice.get("finish_reason") or choice.get("index") or choice.get("content_filter_results"):
            return None
        filled = delta if len(delta) == 1 else [name for name, value in delta.items() if value and name != "role"]
        if len(filled) != 1:
            return None
        (name,) = filled
        text = delta[name]
        if not text or type(text) is not str:
            return None
        if name == "content":
            return TextDelta(_TEXT, text) if self._text else None
        return ReasoningDelta(_REASONING, text) if self._reasoning and name == self._reasoning_field else None

    def _chunk(self, event: str, data: bytes, chunk: Any, out: Decoded) -> None:
        """A chunk of any content."""
        if event == "error" or chunk.get("error") or chunk.get("object") == "error":
            raise embedded_error(data, {}, self._quirks)
        self._identity = mappings.identify(self._identity, chunk, out)
        usage = read_usage(chunk, self._quirks)
        if usage is not None:
            self.usage = usage
        for choice in chunk.get("choices") or ():
            self._choice(choice, out)
        self.closing = self._reason is not None and all(self._ended.values())
        self._note(chunk)

    def _note(self, source: Mapping[str, Any]) -> None:
        found = mappings.extras(self._kind, (self._extras, source))
        if found is not None:
            self._extras = found[self._kind]

    def _choice(self, choice: Mapping[str, Any], out: Decoded) -> None:
        index = choice.get("index") or 0
        reason = choice.get("finish_reason") or None
        # A vendor's usage chunk may repeat the choice without its reason: once ended, always ended.
        self._ended[index] = self._ended.get(index, False) or reason is not None
        if index != 0:
            return
        if choice.get("error"):
            raise embedded_error(orjson.dumps({"error": choice["error"]}), {}, self._quirks)
        if choice.get("content_filter_results"):
            self._note(choice)
        delta = mapping(choice.get("delta"))
        if delta:
            self._delta(delta, out)
        if reason is not None:
            self._reason = reason
            mappings.finish(reason, calls=False, refused=False)

    def _delta(self, delta: Mapping[str, Any], out: Decoded) -> None:
        text, thought = mappings.split(delta.get("content"))
        shown, name = mappings.reasoning_text(delta)
        self._reasoning_field = self._reasoning_field or name
        self._add_reasoning(thought or shown, delta.get("reasoning_details"), out)
        refusal = delta.get("refusal")
        self._refused = self._refused or bool(refusal)
        self._add_text((text or refusal or "") + self._sound.add(delta.get("audio")), out)
        for part in delta.get("images") or ():
            self._add_image(mappings.image(part), out)
        for call in delta.get("tool_calls") or ():
            self._add_call(call, out)
        if delta.get("function_call"):
            self._add_call({"index": 0, "function": delta["function_call"]}, out)
        if delta.get("annotations"):
            self._note({"annotations": delta["annotations"]})

    def _add_text(self, text: str, out: Decoded) -> None:
        if not text:
            return
        if not self._text:
            self._text = True
            out.append(TextStart(_TEXT))
        out.append(TextDelta(_TEXT, text))

    def _add_reasoning(self, text: str, details: Any, out: Decoded) -> None:
        keeps = bool(details) and self._quirks.returns_reasoning == "details"
        if keeps:
            mappings.merge_details(self._details, details)
        if (text or keeps) and not self._reasoning:
            self._reasoning = True
            out.append(ReasoningStart(_REASONING))
        if text:
            out.append(ReasoningDelta(_REASONING, text))

    def _add_image(self, media: Media | None, out: Decoded) -> None:
        if media is not None:
            out.append(MediaBlock(f"image_{self._images}", media))
            self._images += 1

    def _add_call(self, raw: Mapping[str, Any], out: Decoded) -> None:
        call = pending_call(self._calls, raw)
        piece = call.add(raw)
        if call.name and not call.started:
            call.started = True
            out.append(TextStart(call.block) if call.is_answer else ToolCallStart(call.block, call.name))
        if piece and call.started:
            out.append(TextDelta(call.block, piece) if call.is_answer else ToolCallDelta(call.block, piece))

    def _finish(self, out: Decoded) -> None:
        calls = [call for call in self._calls if not call.empty]
        built = read_pending(calls, self._kind)
        reason: FinishReason = mappings.finish(
            self._reason,
            calls=any(isinstance(call, ToolCall) for call in built),
            refused=self._refused,
            answered=any(isinstance(call, Text) for call in built),
        )
        if self._reasoning:
            marks = mappings.reasoning_marks(self._kind, self._quirks, self._reasoning_field, self._details)
            out.append(ReasoningEnd(_REASONING, marks))
        if self._text:
            out.append(TextEnd(_TEXT))
        for call, said in zip(calls, built, strict=True):
            out.append(TextEnd(call.block) if isinstance(said, Text) else ToolCallEnd(call.block, said))
        heard = self._sound.media(self._kind)
        if heard is not None:
            out.append(MediaBlock("sound", heard))
        extras = {self._kind: self._extras} if self._extras else None
        out.append(Finish(reason=reason, usage=self.usage, provider_metadata=extras))
        self.done = True
