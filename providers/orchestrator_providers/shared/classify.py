"""From a vendor's error answer to one of our errors: its code first, the HTTP status next, the message text last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.transport import HttpReply, request_id
from orchestrator_providers.shared.delays import retry_after_s
from orchestrator_providers.shared.quotas import daily_reset_s, retry_delay_s

__all__ = ["ErrorBody", "ErrorKind", "ErrorTable", "classify", "error_kind", "read_error", "safe_message"]

MESSAGE_CHARS = 500
_DELAY_STATUSES = frozenset({402, 408, 409, 429, 500, 502, 503, 504, 529})
_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|key)[-_][\w\-.*]{6,}|\b(?:AIza|eyJ)[\w\-.]{6,}|\bBearer\s+[\w\-.]{6,}|\b[\w\-]{40,}\b",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A class of error and what deviates from the class's own retryability and scope."""

    cls: type[OrchestratorError]
    extra: Mapping[str, Any] = field(default_factory=dict)


def error_kind(cls: type[OrchestratorError], **extra: Any) -> ErrorKind:
    """`error_kind(ServerError, retryable=False)`."""
    return ErrorKind(cls, extra)


ErrorTable: TypeAlias = Mapping[str, ErrorKind]
"""Vendor code, type or class name to kind; keys in lower case."""

_TIMEOUT = error_kind(CallTimeout, kind="first_token", maybe_billed=True)
_BY_STATUS: dict[int, ErrorKind] = {
    401: error_kind(AuthenticationFailed),
    402: error_kind(QuotaExhausted),
    403: error_kind(AuthenticationFailed),
    404: error_kind(InvalidRequest, scope="deployment"),
    405: error_kind(InvalidRequest, scope="deployment"),
    408: _TIMEOUT,
    409: error_kind(ServerError),
    410: error_kind(InvalidRequest, scope="deployment"),
    424: error_kind(ServerError),
    425: error_kind(ServerError),
    429: error_kind(RateLimited),
    498: error_kind(Overloaded),
    499: error_kind(ServerError),
    501: error_kind(InvalidRequest, scope="deployment"),
    503: error_kind(Overloaded),
    504: error_kind(ServerError, maybe_billed=True),
    524: error_kind(ServerError, maybe_billed=True),
    529: error_kind(Overloaded),
}
_CONTEXT_STATUSES = frozenset({400, 403, 413, 422, 500})
_CONTEXT_PHRASES = (
    "maximum context length",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "exceeds the maximum number of tokens",
    "exceeds the available context size",
    "is too large to process. increase the physical batch size",
    "while limit is",
    "total length of all messages is too long",
    "max_new_tokens` must be",
    "max allowed tokens per submitted batch",
    "single text cannot exceed",
)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What could be read from an error answer; `codes` in order of how much they say, lower case."""

    message: str = ""
    codes: tuple[str, ...] = ()
    request_id: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


def read_error(body: bytes) -> ErrorBody:
    """Read an error answer of any shape; never raises.

    Knows `{"error": {...}}`, `{"error": "text"}`, `{"detail": ...}`, `{"message": ...}`, a one-element array around one
    of them, and plain text.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body[:MESSAGE_CHARS].decode("utf-8", "replace").strip()
        return ErrorBody("" if text.startswith("<") else text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return _read_object(value) if isinstance(value, dict) else ErrorBody()


def _read_object(value: dict[str, Any]) -> ErrorBody:
    inner = value.get("error")
    source = inner if isinstance(inner, dict) else value
    message = inner if isinstance(inner, str) else _first_text(source, "message", "detail", "error")
    details = source.get("details")
    detail = details.get("error_code") if isinstance(details, dict) else None
    codes = (detail, source.get("code"), source.get("type"), source.get("error_type"), source.get("status"))
    request_id = value.get("request_id") or value.get("id")
    return ErrorBody(
        message=message,
        codes=tuple([str(code).lower() for code in codes if isinstance(code, str | int) and code != ""]),
        request_id=request_id if isinstance(request_id, str) else None,
        raw=value,
    )


def _first_text(source: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = source.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return str(value[0].get("msg", ""))
    return ""


def classify(
    reply: HttpReply,
    table: ErrorTable,
    *,
    body: ErrorBody | None = None,
    kind: ErrorKind | None = None,
    statuses: Mapping[int, ErrorKind] | None = None,
) -> OrchestratorError:
    """Turn an error answer into the error to raise. Never raises itself, whatever the bytes.

    `table` holds the vendor's own codes, which decide before the status does. Phrases in the message only ever refine
    a status that leaves the reason open. A `kind` that the wire already knows decides before all of them. `statuses`
    holds those HTTP statuses to which this vendor gives a meaning of its own.
    """
    body = body or read_error(reply.body)
    kind = kind or _by_quota(reply.status, body) or _by_code(body, table) or _by_phrase(reply.status, body.message)
    kind = kind or (statuses or {}).get(reply.status) or _by_status(reply.status, body)
    arguments: dict[str, Any] = {
        "status": reply.status,
        "vendor_code": body.codes[0] if body.codes else None,
        "request_id": request_id(reply.headers, body.request_id),
    }
    if reply.status in _DELAY_STATUSES:
        arguments["retry_after"] = _wait_s(reply, body)
    return kind.cls(safe_message(body.message) or f"HTTP {reply.status}", **(arguments | dict(kind.extra)))


def _wait_s(reply: HttpReply, body: ErrorBody) -> float | None:
    known = retry_after_s(reply.headers, body.message if reply.status == 429 else "")
    return retry_delay_s(body.raw) if known is None and reply.status == 429 else known


def _by_quota(status: int, body: ErrorBody) -> ErrorKind | None:
    reset_s = daily_reset_s(body.raw) if status == 429 else None
    return None if reset_s is None else error_kind(RateLimited, retryable=False, retry_after=reset_s)


def _by_code(body: ErrorBody, table: ErrorTable) -> ErrorKind | None:
    for code in body.codes:
        if code in table:
            return table[code]
    return None


def _by_phrase(status: int, message: str) -> ErrorKind | None:
    if status not in _CONTEXT_STATUSES:
        return None
    lowered = message.lower()
    if any(phrase in lowered for phrase in _CONTEXT_PHRASES):
        return error_kind(ContextTooLong)
    if status == 400 and ("content management policy" in lowered or "violating our usage policy" in lowered):
        return error_kind(ContentFiltered)
    return None


def _by_status(status: int, body: ErrorBody) -> ErrorKind:
    if status >= 500:
        # Gateways wrap: a 500 around an inner 429 is a 429.
        inner = next((int(code) for code in body.codes if code.isascii() and code.isdigit() and len(code) == 3), status)
        return _BY_STATUS.get(inner if inner >= 400 else status, error_kind(ServerError))
    return _BY_STATUS.get(status, error_kind(InvalidRequest))


def safe_message(message: str) -> str:
    """The vendor's sentence, shortened and without anything that looks like a credential."""
    return _SECRET.sub("[redacted]", message[:MESSAGE_CHARS]).strip()
