"""Errors of the Messages API, in answers and in streams: `{"type": "error", "error": {"type", "message"}}`."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorBody, ErrorKind, ErrorTable, classify, error_kind, read_error

__all__ = ["read_failure", "stream_failure"]

_TABLE: ErrorTable = {
    "api_error": error_kind(ServerError),
    "authentication_error": error_kind(AuthenticationFailed),
    "billing_error": error_kind(QuotaExhausted),
    "enforced_spend_limit_reached": error_kind(QuotaExhausted),
    "not_found_error": error_kind(InvalidRequest, scope="deployment"),
    "overloaded_error": error_kind(Overloaded),
    "permission_error": error_kind(AuthenticationFailed),
    "rate_limit_error": error_kind(RateLimited),
    "request_too_large": error_kind(ContextTooLong),
    "timeout_error": error_kind(ServerError, maybe_billed=True),
}
# What the vendor documents as the status of each type: a stream has answered 200 by the time its error comes.
_STATUSES = {
    "authentication_error": 401,
    "billing_error": 402,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "request_too_large": 413,
    "timeout_error": 504,
}
_OUT_OF_CREDIT = ("specified api usage limits", "credit balance is too low")


def read_failure(reply: HttpReply) -> OrchestratorError:
    """Classify an error answer, or an answer with status 200 whose body is an error. Never raises."""
    body = read_error(reply.body)
    return _classify(reply if reply.status != 200 else _with_documented_status(reply, body), body)


def stream_failure(data: bytes) -> OrchestratorError:
    """Classify an error that came inside a stream. Its `status` is the one the vendor documents for its type."""
    body = read_error(data)
    return _classify(_with_documented_status(HttpReply(200, {}, data), body), body)


def _with_documented_status(reply: HttpReply, body: ErrorBody) -> HttpReply:
    found = [_STATUSES[code] for code in body.codes if code in _STATUSES]
    return HttpReply(found[0] if found else 500, reply.headers, reply.body)


def _classify(reply: HttpReply, body: ErrorBody) -> OrchestratorError:
    error = classify(reply, _TABLE, body=body, kind=_kind(reply.status, body))
    if _says_no_retry(reply.headers):
        error.retryable = False
    return error


def _kind(status: int, body: ErrorBody) -> ErrorKind | None:
    message = body.message.lower()
    if status == 400 and any(phrase in message for phrase in _OUT_OF_CREDIT):
        return error_kind(QuotaExhausted)
    if status == 413:
        # The edge in front of the API refuses large bodies, with a page of HTML.
        return error_kind(ContextTooLong)
    return None


def _says_no_retry(headers: Mapping[str, str]) -> bool:
    return headers.get("x-should-retry") == "false"
