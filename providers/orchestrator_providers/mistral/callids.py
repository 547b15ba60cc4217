"""Tool call ids as Mistral wants them: nine letters or digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import count

from orchestrator.types.chat import Message, ToolCall, ToolResult

__all__ = ["CallIds"]

_VALID = re.compile(r"[a-zA-Z0-9]{9}", re.ASCII)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class CallIds:
    """Ids of one history. A valid one stays; another vendor's becomes one of ours, always the same, no two alike."""

    __slots__ = ("_known", "_taken")

    def __init__(self, messages: Sequence[Message]) -> None:
        ids = [part.id for m in messages for part in m.parts if isinstance(part, ToolCall | ToolResult)]
        self._taken = {id_ for id_ in ids if _VALID.fullmatch(id_)}
        self._known = {id_: id_ for id_ in self._taken}

    def __call__(self, id_: str) -> str:
        """The id to send for this one."""
        if id_ not in self._known:
            short = next(short for n in count() if (short := _short(id_, n)) not in self._taken)
            self._taken.add(short)
            self._known[id_] = short
        return self._known[id_]


def _short(id_: str, attempt: int) -> str:
    number = int.from_bytes(blake2b(f"{attempt}:{id_}".encode("utf-8", "replace"), digest_size=8).digest())
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
