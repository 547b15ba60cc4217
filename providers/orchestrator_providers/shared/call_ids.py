"""Ids of a history's tool calls, as the vendor that gets the history takes them."""

from __future__ import annotations

import re
from hashlib import blake2b

__all__ = ["CallIds"]

_DIGEST_CHARS = 12


class CallIds:
    """Ids of one history, asked for in its order.

    An id that the vendor takes stays as it is. Another is mended, and so is one that an earlier call has: vendors that
    count their calls begin anew with each answer, and others want every id once. The same history gives the same ids.

    Args:
        bad: characters that the vendor refuses.
        longest: characters an id may have.
    """

    __slots__ = ("_bad", "_longest", "_present", "_taken")

    def __init__(self, *, bad: re.Pattern[str] | None = None, longest: int) -> None:
        self._bad = bad
        self._longest = longest
        self._present: dict[str, str] = {}
        self._taken: set[str] = set()

    def of_call(self, id_: str) -> str:
        """The id to send for a call."""
        written = self._bad.sub("_", id_) if self._bad else id_
        attempt = 0
        while len(written) > self._longest or written in self._taken:
            written = self._with_digest(written, f"{attempt}:{id_}")
            attempt += 1
        self._taken.add(written)
        self._present[id_] = written
        return written

    def of_result(self, id_: str) -> str:
        """The id to send for the result of the latest call with this id."""
        return self._present.get(id_) or self.of_call(id_)

    def _with_digest(self, written: str, source: str) -> str:
        digest = blake2b(source.encode("utf-8", "replace"), digest_size=_DIGEST_CHARS // 2).hexdigest()
        return f"{written[: self._longest - _DIGEST_CHARS - 1]}_{digest}"
