"""What the decoders of streams have in common: frames in, events out, one failure at most, nothing after the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Decoded, Failure, Frame
from orchestrator.types.chat import ChatResult
from orchestrator.types.collect import collect
from orchestrator.types.usage import Usage

__all__ = ["SHAPE_ERRORS", "FrameDecoder", "read_whole"]

SHAPE_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading an event of an unexpected shape raises; JSON that is none is a ValueError."""


class FrameDecoder(ABC):
    """See `StreamDecoder`. A wire writes `_frame`, and `_finish_at_end` if its streams may end without a signal.

    Attributes:
        usage, closing, done: see `StreamDecoder`; set by the wire.
        failed: a `Failure` was given out; what follows is not read.
    """

    __slots__ = ("closing", "done", "failed", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.closing = False
        self.done = False
        self.failed = False

    @abstractmethod
    def _frame(self, event: str, data: bytes, events: Decoded) -> None:
        """Read one frame; what it says goes to the end of `events`, and `done` is set with `Finish`.

        Raises:
            OrchestratorError: the frame is an error, or is malformed. Errors of shape are turned into one.
        """

    def feed(self, frames: Sequence[Frame]) -> Decoded:
        """See `StreamDecoder.feed`."""
        events: Decoded = []
        try:
            for event, data in frames:
                if self.done or self.failed:
                    break
                self._frame(event, data, events)
        except OrchestratorError as error:
            self._fail(error, events)
        except SHAPE_ERRORS as error:
            malformed = MalformedReply("the stream holds an event that is not one of this API")
            malformed.__cause__ = error
            self._fail(malformed, events)
        return events

    def end(self) -> Decoded:
        """See `StreamDecoder.end`."""
        events: Decoded = []
        if not self.done and not self.failed:
            try:
                self._finish_at_end(events)
            except OrchestratorError as error:
                self._fail(error, events)
        return events

    def _finish_at_end(self, _events: Decoded) -> None:
        """The body has ended before the terminal signal: where that may be, `Finish` goes to the end of `events`."""
        raise MalformedReply("the stream ended without its terminal signal", maybe_billed=True)

    def _fail(self, error: OrchestratorError, events: Decoded) -> None:
        self.failed = True
        events.append(Failure(error))


def read_whole(decoder: FrameDecoder, body: bytes) -> ChatResult:
    """A whole answer, where it has the shape of a stream's frame.

    Raises:
        OrchestratorError: what the decoder finds wrong with it.
    """
    events = [*decoder.feed([("", body)]), *decoder.end()]
    if isinstance(events[-1], Failure):
        raise events[-1].error
    return collect([event for event in events if not isinstance(event, Failure)])
