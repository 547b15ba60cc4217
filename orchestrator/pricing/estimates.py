"""How many tokens a text will be, without a tokenizer.

For reservations before a call, and for usage that a vendor did not send. Bytes of a text's UTF-8 form are counted by
class, and each class has the tokens per byte that fit OpenAI's o200k vocabulary over prose, code, markup and logs
in several languages. Against that vocabulary, prose and code are within 10 % as a rule and other scripts within 25 %;
other vendors' vocabularies add their own difference, up to twice as many tokens outside Latin scripts. What stands
around the texts of a request is `orchestrator.sizing`'s; `benchmarks/estimates.py` measures both on recorded ones.
"""

from __future__ import annotations

__all__ = ["estimate_tokens"]


def _span(first: int, last: int) -> bytes:
    return bytes(range(first, last + 1))


_ASCII: tuple[tuple[bytes, float], ...] = (
    (_span(0x61, 0x7A), 0.211),
    (b" ", 0.015),
    (_span(0x41, 0x5A), 0.26),
    (_span(0x30, 0x39), 0.721),
    (b"\n\t", 1.439),
    (_span(0x21, 0x2F) + _span(0x3A, 0x40) + _span(0x5B, 0x60) + _span(0x7B, 0x7E), 0.485),
)
# First bytes of a character beyond ASCII; each stands for a family of scripts.
_LEADING: tuple[tuple[bytes, float], ...] = (
    (_span(0xC2, 0xCB), 1.292),  # Latin with diacritics
    (_span(0xCC, 0xD7), 0.358),  # Greek, Cyrillic, Armenian, Hebrew
    (_span(0xD8, 0xDF), 0.357),  # Arabic, Syriac, Thaana
    (_span(0xE0, 0xE2), 0.359),  # Indic scripts, Thai, Georgian, typographic punctuation
    (_span(0xE3, 0xEF), 0.695),  # Chinese, Japanese, Korean
    (_span(0xF0, 0xF4), 2.0),  # emoji
)


_CLASSES = (*_ASCII, *_LEADING)
_CLASS_OF = bytes(
    [next((number for number, (members, _) in enumerate(_CLASSES, 1) if byte in members), 0) for byte in range(256)]
)
"""The number of the class that each byte is of, from 1; 0 for the later bytes of a character."""

_ALL = [(bytes([number]), weight) for number, (_, weight) in enumerate(_CLASSES, 1)]
_IN_ASCII = _ALL[: len(_ASCII)]


def estimate_tokens(text: str) -> int:
    """Estimated tokens of a text; 0 only for an empty one."""
    if not text:
        return 0
    data = text.encode("utf-8", "replace")
    classes = _IN_ASCII if len(data) == len(text) else _ALL
    count = data.translate(_CLASS_OF).count
    return max(1, round(sum([weight * count(number) for number, weight in classes])))
