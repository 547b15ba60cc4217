"""Lines of what was asked and answered, for routes that want them: redacted, cut to a bound, joined by `call_id`.

They are lines of their own and not keys of the call's line: prompts have other readers and a shorter life than costs,
and readers of costs need not pull them through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import orjson

from orchestrator.spec.events import CallContent, CallEvent, Event
from orchestrator.telemetry.lines import SCHEMA, timestamp
from orchestrator.types.chat import ChatResult, Media
from orchestrator.types.retrieval import EmbedResult, RerankResult

__all__ = ["ContentLines", "Redactor"]

Redactor: TypeAlias = Callable[[str], str]
"""Takes a text, gives the text to log. If it raises, the call's content is left out."""

_LEFT_OUT = frozenset({"provider_metadata", "usage", "raw", "warnings"})
_SHORTEST = 16
_DEEPEST = 40


class ContentLines:
    """Renders an event to its line of content; None for events without any.

    Args:
        redactors: applied to every text in turn, names and keys of tool arguments included.
        max_line: bytes that a line may have.
    """

    def __init__(self, redactors: Sequence[Redactor], *, max_line: int) -> None:
        self._redactors = tuple(redactors)
        self._max_line = max_line

    def __call__(self, event: Event) -> dict[str, Any] | None:
        """The line's values."""
        if not isinstance(event, CallEvent) or event.content is None:
            return None
        head = {
            "ts": timestamp(event.time),
            "event": "llm.content",
            "schema": SCHEMA,
            "call_id": event.call_id,
            "route": event.route,
            "task": event.task,
            "tenant": event.context.tenant,
        }
        try:
            asked, answered = self._redacted(event.content)
        except Exception as error:  # noqa: BLE001 - a redactor's bug must not let content through
            return head | _nothing(f"the redactor failed: {type(error).__name__}")
        return self._bounded(head, asked, answered)

    def _redacted(self, content: CallContent) -> tuple[Any, Any]:
        return self._clean(_plain(content.request)), self._clean(_answer(content.result))

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            for redact in self._redactors:
                value = redact(value)
                if not isinstance(value, str):
                    raise TypeError("a redactor gave no text")
            return value
        if isinstance(value, dict):
            return {self._clean(key): self._clean(one) for key, one in value.items()}
        return [self._clean(one) for one in value] if isinstance(value, list) else value

    def _bounded(self, head: dict[str, Any], asked: Any, answered: Any) -> dict[str, Any]:
        longest, cut = self._max_line, False
        while longest >= _SHORTEST:
            body = {"request": _cut(asked, longest), "reply": _cut(answered, longest), "cut": cut, "left_out": None}
            if _size(head | body) <= self._max_line:
                return head | body
            longest, cut = longest // 2, True
        return head | _nothing(f"longer than {self._max_line} bytes, however short its texts are cut")


def _nothing(why: str) -> dict[str, Any]:
    return {"request": None, "reply": None, "cut": False, "left_out": why}


def _size(values: Mapping[str, Any]) -> int:
    try:
        return len(orjson.dumps(values, default=str))
    except TypeError:  # half a surrogate pair: `ascii` is an upper bound of what replaces it
        return len(ascii(values))


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _cut(one, longest) for key, one in value.items()}
    return [_cut(one, longest) for one in value] if isinstance(value, list) else value


def _answer(result: Any) -> Any:
    if isinstance(result, ChatResult):
        return _plain(result.message)
    if isinstance(result, EmbedResult):
        return {"vectors": len(result.vectors)}  # numbers say nothing to a reader
    return _plain(result.results) if isinstance(result, RerankResult) else None


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON values of what a request holds; no bytes, no vendor marks, no signed queries of URLs."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Media):
        return _media(value)
    if is_dataclass(value):
        pairs = ((one.name, getattr(value, one.name)) for one in fields(value) if one.name not in _LEFT_OUT)
        kind = {} if depth == 0 else {"type": type(value).__name__}
        return kind | {name: _plain(one, depth + 1) for name, one in pairs if one not in (None, (), {})}
    if isinstance(value, Mapping):
        return {str(key): _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(type(value).__name__)


def _media(media: Media) -> dict[str, Any]:
    url = urlsplit(media.url or "")
    where = {"url": f"{url.scheme}://{url.hostname}{url.path}"} if url.scheme in {"http", "https"} else {}
    size = {"bytes": len(media.data)} if media.data is not None else {}
    return {"type": "Media", "media_type": media.media_type, **where, **size}
