"""A vendor's prompt cache: remembers beginnings of prompts."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from orchestrator.testing.simulator.answers import TURN_TOKENS, count_tokens
from orchestrator.testing.simulator.asks import ChatAsk

__all__ = ["PrefixCache"]

KEPT = 10_000


class PrefixCache:
    """Knows a prefix of whole messages again. Tools and images are not part of it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def look(self, ask: ChatAsk) -> tuple[int, int]:
        """Tokens of the longest cacheable prefix seen before, and tokens cacheable beyond it; remembers them all."""
        read = total = 0
        digest = blake2b(ask.model.encode(), digest_size=16)
        ends = set(ask.cacheable)
        tokens = 0
        for number, turn in enumerate(ask.turns, 1):
            digest.update(f"\0{turn.role}\0{turn.text}".encode())
            tokens += count_tokens(turn.text) + TURN_TOKENS
            if number in ends:
                total = tokens
                read = tokens if digest.digest() in self._seen else read
                self._seen[digest.digest()] = None
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        return read, total - read
