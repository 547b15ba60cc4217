"""litellm's exceptions as ours.

litellm maps by pieces of text, invents statuses (a refused connection is a 500, Anthropic's 529 too) and drops codes.
The exceptions it wraps still hold the truth, so the chain is read first: the real HTTP status, then what went wrong on
the network, then litellm's class. Its own texts are not passed on, for they can quote the request; the vendor's
sentence is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
    UnsupportedFeature,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorBody, ErrorKind, ErrorTable, classify, error_kind, read_error

__all__ = ["translate"]

_DEPTH = 12  # of the chain of causes; it can be a circle

# Vendors' codes and litellm's class names, which refine a status that leaves the reason open.
_CODES: ErrorTable = {
    "context_length_exceeded": error_kind(ContextTooLong),
    "contextwindowexceedederror": error_kind(ContextTooLong),
    "content_filter": error_kind(ContentFiltered),
    "content_policy_violation": error_kind(ContentFiltered),
    "contentpolicyviolationerror": error_kind(ContentFiltered),
    "insufficient_quota": error_kind(QuotaExhausted),
    "billing_hard_limit_reached": error_kind(QuotaExhausted),
    "paymentrequirederror": error_kind(QuotaExhausted),
    "invalid_api_key": error_kind(AuthenticationFailed),
    "authentication_error": error_kind(AuthenticationFailed),
    "permission_error": error_kind(AuthenticationFailed),
    "rate_limit_exceeded": error_kind(RateLimited),
    "rate_limit_error": error_kind(RateLimited),
    "overloaded_error": error_kind(Overloaded),
    "server_error": error_kind(ServerError),
    "api_error": error_kind(ServerError),
}
_TIMED_OUT = error_kind(CallTimeout, kind="first_token", maybe_billed=True)
_REFUSED = error_kind(ConnectionFailed)
_BROKEN = error_kind(ConnectionFailed, maybe_billed=True)
_NO_REPLY = error_kind(MalformedReply, maybe_billed=True)
_NO_CREDENTIAL = error_kind(AuthenticationFailed)

# Class names of httpx, aiohttp, openai, botocore and google-auth, which are not imported for this.
_CAUSES: Mapping[str, ErrorKind] = {
    "ConnectTimeout": error_kind(CallTimeout, kind="connect"),
    "ConnectionTimeoutError": error_kind(CallTimeout, kind="connect"),
    "ConnectError": _REFUSED,
    "ClientConnectorError": _REFUSED,
    "ConnectionRefusedError": _REFUSED,
    "EndpointConnectionError": _REFUSED,
    "ReadTimeout": _TIMED_OUT,
    "SocketTimeoutError": _TIMED_OUT,
    "ServerTimeoutError": _TIMED_OUT,
    "APITimeoutError": _TIMED_OUT,
    "PoolTimeout": error_kind(CallTimeout, kind="connect"),
    "ReadError": _BROKEN,
    "WriteError": _BROKEN,
    "RemoteProtocolError": _BROKEN,
    "ClientPayloadError": _BROKEN,
    "ServerDisconnectedError": _BROKEN,
    "ConnectionResetError": _BROKEN,
    "JSONDecodeError": _NO_REPLY,
    "APIResponseValidationError": _NO_REPLY,
    "NoCredentialsError": _NO_CREDENTIAL,
    "PartialCredentialsError": _NO_CREDENTIAL,
    "ProfileNotFound": _NO_CREDENTIAL,
    "TokenRetrievalError": _NO_CREDENTIAL,
    "DefaultCredentialsError": _NO_CREDENTIAL,
    "RefreshError": _NO_CREDENTIAL,
}
# litellm's own classes, for what never reached a vendor or left no other trace.
_CLASSES: Mapping[str, ErrorKind] = {
    "Timeout": _TIMED_OUT,
    "RateLimitError": error_kind(RateLimited),
    "InternalServerError": error_kind(ServerError),
    "BadGatewayError": error_kind(ServerError),
    "ServiceUnavailableError": error_kind(Overloaded),
    "APIConnectionError": error_kind(ServerError, maybe_billed=True),  # its class for whatever it did not expect
    "AuthenticationError": error_kind(AuthenticationFailed),
    "PermissionDeniedError": error_kind(AuthenticationFailed),
    "NotFoundError": error_kind(InvalidRequest, scope="deployment"),
    "PaymentRequiredError": error_kind(QuotaExhausted),
    "ContextWindowExceededError": error_kind(ContextTooLong),
    "ContentPolicyViolationError": error_kind(ContentFiltered),
    "UnsupportedParamsError": error_kind(UnsupportedFeature),
    "BadRequestError": error_kind(InvalidRequest),
    "APIResponseValidationError": _NO_REPLY,
    "JSONSchemaValidationError": _NO_REPLY,
    "BudgetExceededError": error_kind(QuotaExhausted, scope="deployment"),
}


def translate(error: Exception, *, streaming: bool = False) -> OrchestratorError:
    """The error to raise from `error`. `streaming`: events were already given out, so a timeout is a stall."""
    chain = list(_chain(error))
    inner = chain[0]
    answer = _answer(chain)
    body = _body(chain, inner)
    if answer is not None:
        found = _by_answer(answer, body, inner)
    else:
        kind = _by_cause(chain) or _by_code(body) or _by_class(inner)
        found = _make(kind, inner, body)
    if streaming and isinstance(found, CallTimeout):
        found.kind = "stall"
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    """What failed first, then what is behind it, as far as the causes go."""
    wrapped = getattr(error, "original_exception", None)
    # MidStreamFallbackError: the exception it wraps says what happened, its own causes say why.
    for start in (wrapped, error):
        current = start if isinstance(start, BaseException) else None
        for _ in range(_DEPTH):
            if current is None:
                break
            yield current
            current = current.__cause__ or current.__context__


def _answer(chain: list[BaseException]) -> HttpReply | None:
    """The vendor's real answer, without its body, if one came."""
    for error in chain:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if any(cls.__name__ == "HTTPStatusError" for cls in type(error).__mro__) and isinstance(status, int):
            return HttpReply(status, _headers(response) or _headers(chain[0]), b"")
    status = getattr(chain[0], "status_code", None)
    headers = _headers(chain[0])
    return HttpReply(status, headers, b"") if headers and isinstance(status, int) and _is_failure(chain) else None


def _is_failure(chain: list[BaseException]) -> bool:
    # With headers but a reply that could not be read, the status is litellm's: the vendor said 200.
    return _by_cause(chain) is None


def _headers(source: Any) -> dict[str, str]:
    headers = getattr(source, "litellm_response_headers", None) or getattr(source, "headers", None)
    try:
        return {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
    except (TypeError, ValueError):
        return {}


def _body(chain: list[BaseException], inner: BaseException) -> ErrorBody:
    """The vendor's own error object: where the openai client kept it, else as JSON inside litellm's text."""
    for error in chain:
        body = getattr(error, "body", None)
        if isinstance(body, dict):
            return read_error(orjson.dumps(body, default=str))
    text = str(getattr(inner, "message", None) or "")
    start, end = text.find("{"), text.rfind("}")
    try:
        value = orjson.loads(text[start : end + 1]) if 0 <= start < end else None
    except orjson.JSONDecodeError:
        value = None
    return read_error(orjson.dumps(value)) if isinstance(value, dict) else ErrorBody()


def _by_answer(answer: HttpReply, body: ErrorBody, inner: BaseException) -> OrchestratorError:
    codes = (*body.codes, type(inner).__name__.lower())
    found = classify(answer, _CODES, body=ErrorBody(body.message, codes, body.request_id, body.raw))
    found.vendor_code = body.codes[0] if body.codes else None
    return found


def _by_cause(chain: list[BaseException]) -> ErrorKind | None:
    for error in reversed(chain[1:]):
        kind = _CAUSES.get(type(error).__name__)
        if kind is not None:
            return kind
    return None


def _by_code(body: ErrorBody) -> ErrorKind | None:
    return next((_CODES[code] for code in body.codes if code in _CODES), None)


def _by_class(inner: BaseException) -> ErrorKind:
    for cls in type(inner).__mro__:
        kind = _CLASSES.get(cls.__name__)
        if kind is not None:
            return kind
    return error_kind(ServerError, retryable=False)


def _make(kind: ErrorKind, inner: BaseException, body: ErrorBody) -> OrchestratorError:
    code = body.codes[0] if body.codes else None
    name = type(inner).__name__
    return kind.cls(f"litellm failed with {name}", vendor_code=code, request_id=body.request_id, **kind.extra)
