"""Errors of Google's APIs, in answers and in streams: a `google.rpc.Status`, as an object or alone in an array."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import (
    ErrorBody,
    ErrorKind,
    ErrorTable,
    classify,
    error_kind,
    read_error,
    safe_message,
)
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["blocked", "read_failure", "stream_failure"]

_TABLE: ErrorTable = {
    "api_key_expired": error_kind(AuthenticationFailed),
    "api_key_invalid": error_kind(AuthenticationFailed),
    "api_key_service_blocked": error_kind(AuthenticationFailed),
    "billing_disabled": error_kind(QuotaExhausted),
    "billing_not_active": error_kind(QuotaExhausted),
    "cancelled": error_kind(ServerError, retryable=False),
    "deadline_exceeded": error_kind(ServerError, maybe_billed=True),
    # The account, its country or the model's state stands in the way, not what was asked.
    "failed_precondition": error_kind(InvalidRequest, scope="deployment"),
    "not_found": error_kind(InvalidRequest, scope="deployment"),
    "permission_denied": error_kind(AuthenticationFailed),
    "resource_exhausted": error_kind(RateLimited),
    "unauthenticated": error_kind(AuthenticationFailed),
    "unavailable": error_kind(Overloaded),
    "unimplemented": error_kind(InvalidRequest, scope="deployment"),
}
_STATUSES = {
    "aborted": 409,
    "already_exists": 409,
    "cancelled": 499,
    "deadline_exceeded": 504,
    "failed_precondition": 400,
    "internal": 500,
    "invalid_argument": 400,
    "not_found": 404,
    "out_of_range": 400,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "unauthenticated": 401,
    "unavailable": 503,
    "unimplemented": 501,
}
_BAD_KEY = ("api key not valid", "api key expired", "api key not found")
_OUT_OF_CREDIT = ("credits are depleted", "spending cap", "spend cap")
_NONE_ALLOWED = re.compile(r"limit: 0(?![\d.])", re.ASCII)
_TOO_LONG = ("input token count", "request payload size exceeds")


def read_failure(reply: HttpReply) -> OrchestratorError:
    """Classify an error answer, or an answer with status 200 whose body is an error. Never raises."""
    body = _read(reply.body)
    if reply.status == 200:
        reply = HttpReply(_documented_status(body), reply.headers, reply.body)
    error = classify(reply, _TABLE, body=body, kind=_kind(reply.status, body))
    if error.vendor_code is not None:
        error.vendor_code = error.vendor_code.upper()  # as the vendor writes them
    return error


def stream_failure(data: bytes) -> OrchestratorError:
    """Classify an error that came inside a stream. Its `status` is the one that the error itself states."""
    return read_failure(HttpReply(200, {}, data))


def blocked(feedback: Mapping[str, Any]) -> ContentFiltered:
    """The error for a prompt that was refused: `promptFeedback` with a `blockReason`, and no candidates."""
    message = feedback.get("blockReasonMessage")
    text = safe_message(message) if isinstance(message, str) else ""
    return ContentFiltered(text or "the prompt was blocked", vendor_code=str(feedback["blockReason"]), status=200)


def _read(body: bytes) -> ErrorBody:
    """The error with its most telling code first: the reason of ErrorInfo, then the status."""
    found = read_error(body)
    error = mapping(found.raw.get("error"))
    details = error.get("details")
    known = [mapping(detail) for detail in details] if isinstance(details, list) else []
    names = [detail.get("reason") for detail in known] + [error.get("status"), error.get("type")]
    codes = tuple([name.lower() for name in names if isinstance(name, str) and name])
    ids = [detail["requestId"] for detail in known if isinstance(detail.get("requestId"), str)]
    return ErrorBody(found.message, codes, ids[0] if ids else None, found.raw)


def _documented_status(body: ErrorBody) -> int:
    code = integer(mapping(body.raw.get("error")).get("code"))
    if code is not None and 400 <= code < 600:
        return code
    return next((_STATUSES[name] for name in body.codes if name in _STATUSES), 500)


def _kind(status: int, body: ErrorBody) -> ErrorKind | None:
    message = body.message.lower()
    if status == 400:
        return _of_bad_request(message)
    if status in (402, 403, 429) and any(phrase in message for phrase in _OUT_OF_CREDIT):
        return error_kind(QuotaExhausted)
    if status == 429 and _NONE_ALLOWED.search(message):
        # The plan has none of this model, so waiting does not help; other models of the account may still answer.
        return error_kind(QuotaExhausted, scope="deployment")
    return None


def _of_bad_request(message: str) -> ErrorKind | None:
    if any(phrase in message for phrase in _BAD_KEY):
        return error_kind(AuthenticationFailed)
    if any(phrase in message for phrase in _TOO_LONG) and "exceed" in message:
        return error_kind(ContextTooLong)
    return None
