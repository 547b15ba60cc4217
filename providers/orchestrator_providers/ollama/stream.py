"""Decodes Ollama's answers: a stream is lines of JSON, and a whole answer is one line that holds everything.

A line adds to `message`: text, thinking, whole tool calls. The line with `done: true` is the terminal signal; it holds
the reason and the counts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.chat import FinishReason, Media, ToolCall, UnifiedFinish
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
from orchestrator_providers.ollama.errors import embedded_failure
from orchestrator_providers.ollama.profile import KIND
from orchestrator_providers.ollama.usage import read_usage
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import label, mapping, parse_arguments, read_object, text_of, tool_call

__all__ = ["OllamaDecoder"]

_FINISH: Mapping[str, UnifiedFinish] = {"stop": "stop", "length": "length"}
_REMOTE = ("remote_model", "remote_host")
_TEXT = "text"
_REASONING = "reasoning"


class OllamaDecoder(FrameDecoder):
    """Text and reasoning are one block each, open until the end."""

    __slots__ = ("_calls", "_extra", "_images", "_model", "_reasoning", "_text")

    def __init__(self) -> None:
        super().__init__()
        self._model = ""
        self._text = self._reasoning = False
        self._calls = self._images = 0
        self._extra: dict[str, Any] = {}

    def _frame(self, event: str, data: bytes, out: Decoded) -> None:
        value = read_object(data, "answer")
        if value.get("error"):
            raise embedded_failure(value)
        if not self._model and (model := label(value.get("model"))):
            self._model = model
            out.append(ResponseMetadata(model=model))
        self.usage = read_usage(value) or self.usage
        self._note(value)
        self._message(mapping(value.get("message")), out)
        if value.get("done") is True:
            self._finish(label(value.get("done_reason")), out)

    def _note(self, value: Mapping[str, Any]) -> None:
        for name in _REMOTE:
            if value.get(name):
                self._extra[name] = value[name]
        if value.get("logprobs"):
            self._extra["logprobs"] = [*self._extra.get("logprobs", ()), *value["logprobs"]]

    def _message(self, message: Mapping[str, Any], out: Decoded) -> None:
        thinking, content = message.get("thinking"), message.get("content")
        if thinking:
            self._add_reasoning(text_of(thinking, "the thinking"), out)
        if content:
            self._add_text(text_of(content, "the content"), out)
        for image in message.get("images") or ():
            out.append(MediaBlock(f"image_{self._images}", _image(image)))
            self._images += 1
        for call in message.get("tool_calls") or ():
            self._add_call(call, out)

    def _add_text(self, text: str, out: Decoded) -> None:
        if not self._text:
            self._text = True
            out.append(TextStart(_TEXT))
        out.append(TextDelta(_TEXT, text))

    def _add_reasoning(self, text: str, out: Decoded) -> None:
        if not self._reasoning:
            self._reasoning = True
            out.append(ReasoningStart(_REASONING))
        out.append(ReasoningDelta(_REASONING, text))

    def _add_call(self, raw: Mapping[str, Any], out: Decoded) -> None:
        """Calls come whole; older servers give them no ids."""
        block = f"call_{self._calls}"
        call = _read_call(raw, block)
        self._calls += 1
        out.append(ToolCallStart(block, call.name))
        out.append(ToolCallDelta(block, call.invalid_arguments or orjson.dumps(call.arguments).decode()))
        out.append(ToolCallEnd(block, call))

    def _finish(self, raw: str | None, out: Decoded) -> None:
        if self._reasoning:
            out.append(ReasoningEnd(_REASONING, {KIND: {}}))
        if self._text:
            out.append(TextEnd(_TEXT))
        metadata = {KIND: self._extra} if self._extra else None
        out.append(Finish(reason=self._reason(raw), usage=self.usage, provider_metadata=metadata))
        self.done = True

    def _reason(self, raw: str | None) -> FinishReason:
        """`load` and `unload` say that nothing was asked; old servers gave no reason at all."""
        unified = _FINISH.get(raw or "stop", "other")
        return FinishReason("tool_calls" if self._calls and unified == "stop" else unified, raw)


def _read_call(raw: Mapping[str, Any], block: str) -> ToolCall:
    function = raw["function"]
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        parsed, invalid = parse_arguments(arguments)
        arguments = parsed if invalid is None else arguments
    return tool_call(label(raw.get("id")) or block, function.get("name"), arguments)


def _image(data: Any) -> Media:
    try:
        return Media(media_type="image/*", data=base64.b64decode(text_of(data, "an image"), validate=True))
    except binascii.Error as error:
        raise MalformedReply("an image of the answer is not valid base64") from error
