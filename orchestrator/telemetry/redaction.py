"""Takes personal data and credentials out of texts before they are logged.

Patterns find what looks like one; they are no proof. Each match becomes `[name]`. All patterns run in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

__all__ = ["REDACTIONS", "redactor"]

_CARD_LENGTHS = range(13, 20)
_IBAN_LENGTHS = range(15, 35)


def _card(found: str) -> int:
    digits = [int(one) for one in found if one.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(found) if len(digits) in _CARD_LENGTHS and sum(digits[-1::-2] + doubled) % 10 == 0 else 0


def _iban(found: str) -> int:
    """The longest beginning that is one: what follows it may look like more of it."""
    for end in range(len(found), 14, -1):
        plain = re.sub(r"[ -]", "", found[:end]).upper()
        if len(plain) in _IBAN_LENGTHS and int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1:
            return end
    return 0


def _phone(found: str) -> int:
    return len(found) if 8 <= sum(one.isdigit() for one in found) <= 15 else 0


REDACTIONS: Mapping[str, tuple[re.Pattern[str], Callable[[str], int]]] = {
    "keys": (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{1,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
            r"|\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"
            r"|\b(?:sk|pk|rk|gh[pousr]|github_pat|glpat|xox[abposr]|hf|gsk|pplx|r8|xai|whsec)[-_][\w-]{16,}"
            r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
            r"|\bAIza[\w-]{35}"
            r"|(?i:\bbearer[ ]+[\w.~+/-]{16,}=*)"
            r"|(?i:\b(?:api[_-]?key|secret|password|passwd|token)\b[\"']?[ ]{0,3}[:=][ ]{0,3}[\"']?[^\s\"',;]{6,200})"
        ),
        len,
    ),
    "emails": (re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), len),
    "ibans": (re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])"), _iban),
    "cards": (re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"), _card),
    "phones": (
        re.compile(
            r"(?<![\w.])(?:\+\d|00[1-9])(?:[ ./()-]{0,2}\d){7,14}(?!\d)"
            r"|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)"
            r"|(?<![\w.])0\d{2,5}[ /-]\d{3,8}(?:[ -]?\d{1,6}){0,3}(?!\d)"
        ),
        _phone,
    ),
}
"""By name a pattern, and how much of what it found is to go (0: it only looked like one), in the order of work:
an IBAN's digits are no card's."""


def redactor(names: Iterable[str]) -> Callable[[str], str]:
    """A function that takes these kinds out of a text."""
    wanted = frozenset(names)
    chosen = [(f"[{name}]", *found) for name, found in REDACTIONS.items() if name in wanted]

    def redact(text: str) -> str:
        for mark, pattern, length_of in chosen:
            text = _without(text, mark, pattern, length_of)
        return text

    return redact


def _without(text: str, mark: str, pattern: re.Pattern[str], length_of: Callable[[str], int]) -> str:
    return pattern.sub(lambda match: _marked(match[0], mark, length_of(match[0])), text)


def _marked(found: str, mark: str, length: int) -> str:
    return mark + found[length:] if length else found
