"""Errors of Bedrock: their type stands in the header `x-amzn-errortype`, in `__type`, or names a frame of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    RateLimited,
    ServerError,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorBody, ErrorKind, ErrorTable, classify, error_kind, read_error

__all__ = ["read_failure", "stream_failure"]

_ELSEWHERE = error_kind(InvalidRequest, scope="deployment")
_NOT_THIS_MODEL = error_kind(AuthenticationFailed, scope="deployment")
_TABLE: ErrorTable = {
    "internalfailure": error_kind(ServerError),
    "internalserverexception": error_kind(ServerError),
    "modelerrorexception": error_kind(ServerError, maybe_billed=True),
    "modelnotreadyexception": error_kind(Overloaded),
    "modelstreamerrorexception": error_kind(ServerError, maybe_billed=True),
    "modeltimeoutexception": error_kind(CallTimeout, kind="first_token", maybe_billed=True),
    "requestentitytoolargeexception": error_kind(ContextTooLong),
    "resourcenotfoundexception": _ELSEWHERE,
    # The account's quota for one model, which AWS raises on request: another may do, waiting a little does not help.
    "servicequotaexceededexception": error_kind(RateLimited, retryable=False),
    "serviceunavailable": error_kind(Overloaded),
    "serviceunavailableexception": error_kind(Overloaded),
    "throttling": error_kind(RateLimited),
    "throttlingexception": error_kind(RateLimited),
    "toomanyrequestsexception": error_kind(RateLimited),
    **dict.fromkeys(
        (
            "expiredtoken",
            "expiredtokenexception",
            "incompletesignature",
            "incompletesignatureexception",
            "invalidclienttokenid",
            "invalidsignatureexception",
            "missingauthenticationtoken",
            "missingauthenticationtokenexception",
            "requestexpired",
            "signaturedoesnotmatch",
            "unrecognizedclientexception",
        ),
        error_kind(AuthenticationFailed),
    ),
}
# The modelled status of each type: a stream has answered 200 by the time its error comes.
_STATUSES = {
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
_TOO_LONG = ("exceed context limit", "exceeds maximum length", "input tokens exceed", "too many input tokens")
# What another model may well take.
_MODEL_ONLY = ("model identifier is invalid", "on-demand throughput", "this model doesn't support", "end of its life")


def read_failure(reply: HttpReply) -> OrchestratorError:
    """Classify an error answer. Never raises."""
    body = read_error(reply.body)
    named = reply.headers.get("x-amzn-errortype") or _text(body.raw, "__type") or _text(body.raw, "Code")
    return _classify(reply, body, _bare(named))


def stream_failure(name: str, data: bytes) -> OrchestratorError:
    """Classify an error that came inside a stream. Its `status` is the one the vendor models for its type."""
    bare = _bare(name)
    reply = HttpReply(_STATUSES.get(bare.lower(), 500), {}, data)
    return _classify(reply, read_error(data), bare)


def _classify(reply: HttpReply, body: ErrorBody, name: str) -> OrchestratorError:
    message = body.message or _text(body.raw, "Message") or _text(body.raw, "originalMessage")
    body = replace(body, message=message, codes=(name.lower(), *body.codes) if name else body.codes)
    error = classify(reply, _TABLE, body=body, kind=_kind(reply.status, name.lower(), message.lower()))
    error.vendor_code = name or error.vendor_code
    return error


def _kind(status: int, name: str, message: str) -> ErrorKind | None:
    if name == "accessdeniedexception":
        # A wrong key is refused under the same name as a model that the account has no access to.
        return error_kind(AuthenticationFailed) if "api key" in message or "token" in message else _NOT_THIS_MODEL
    if status == 429 and "per day" in message:
        return error_kind(RateLimited, retryable=False)
    if status == 400 and name in ("", "validationexception"):
        if any(phrase in message for phrase in _TOO_LONG):
            return error_kind(ContextTooLong)
        if any(phrase in message for phrase in _MODEL_ONLY):
            return _ELSEWHERE
    return None


def _bare(name: str) -> str:
    """`ValidationException` of `com.amazon.coral#ValidationException:http://internal.amazon.com/`."""
    return name.partition(":")[0].rpartition("#")[2].strip()[:100]


def _text(raw: Mapping[str, object], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""
