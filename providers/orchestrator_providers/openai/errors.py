"""Error codes of OpenAI and of the vendors that speak its language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorBody, ErrorTable, classify, error_kind, read_error
from orchestrator_providers.shared.reading import integer, mapping

if TYPE_CHECKING:
    from orchestrator_providers.openai.profile import Quirks

__all__ = ["ERRORS", "JINA_ERRORS", "embedded_error", "reply_error"]

_OTHER_MODEL = error_kind(InvalidRequest, scope="deployment")
_AUTH = error_kind(AuthenticationFailed)
_FILTERED = error_kind(ContentFiltered)
_OVERLOADED = error_kind(Overloaded)
_QUOTA = error_kind(QuotaExhausted)
_RATE = error_kind(RateLimited)
_TOO_LONG = error_kind(ContextTooLong)

ERRORS: ErrorTable = {
    "insufficient_quota": _QUOTA,
    "credit_balance_exhausted": _QUOTA,
    "billing_hard_limit_reached": _QUOTA,
    "billing_not_active": _QUOTA,
    "insufficient_balance": _QUOTA,
    "exceeded_current_quota_error": _QUOTA,
    "context_length_exceeded": _TOO_LONG,
    "exceed_context_size_error": _TOO_LONG,
    "too_many_prompt_tokens": _TOO_LONG,
    "model_not_found": _OTHER_MODEL,
    "deploymentnotfound": _OTHER_MODEL,
    "model_decommissioned": _OTHER_MODEL,
    "unsupported_value": _OTHER_MODEL,
    "unsupported_parameter": _OTHER_MODEL,
    "content_filter": _FILTERED,
    "content_policy_violation": _FILTERED,
    "responsibleaipolicyviolation": _FILTERED,
    "rate_limit_exceeded": _RATE,
    "rate_limit_error": _RATE,
    "rate_limit_reached_error": _RATE,
    "slow_down": _RATE,
    "server_is_overloaded": _OVERLOADED,
    "service_unavailable_error": _OVERLOADED,
    "capacity_exceeded": _OVERLOADED,
    "engine_overloaded_error": _OVERLOADED,
    "overloaded_error": _OVERLOADED,
    "invalid_api_key": _AUTH,
    "authentication_error": _AUTH,
    "invalid_authentication_error": _AUTH,
    # The model wrote a call that does not fit the tools: another sample may.
    "tool_use_failed": error_kind(InvalidRequest, retryable=True, scope="deployment"),
}

JINA_ERRORS: ErrorTable = {
    **ERRORS,
    "authz_insufficient_balance": _QUOTA,  # a 403
    "auth_missing_api_key": _AUTH,
    "auth_invalid_api_key": _AUTH,
    "auth_invalid_format": _AUTH,
    "input_model_not_found": _OTHER_MODEL,
    "rate_token_limit_exceeded": _RATE,
}

_IN_FLIGHT = "openrouter_in_flight_budget"
_STATUS_OF_TYPE = {"invalid_request_error": 400, "badrequesterror": 400}


def reply_error(reply: HttpReply, quirks: Quirks) -> OrchestratorError:
    """Classify an answer whose status is not 200. Never raises."""
    return _classify(reply, read_error(reply.body), quirks)


def embedded_error(data: bytes, headers: Mapping[str, str], quirks: Quirks) -> OrchestratorError:
    """Classify an error that came inside a 200: as a whole body, or as an event of a stream.

    The status is the one that the error itself states, or 200.
    """
    body = read_error(data)
    stated = _stated_status(body)
    error = _classify(HttpReply(stated or 500, headers, data), body, quirks)
    error.status = stated or 200
    return error


def _classify(reply: HttpReply, body: ErrorBody, quirks: Quirks) -> OrchestratorError:
    if _never_fits(reply.status, body):
        # Vendors call this a rate limit, but no waiting lets it through: the one request is over the whole window.
        return classify(reply, {}, body=body, kind=_TOO_LONG)
    if mapping(mapping(body.raw.get("error")).get("metadata")).get("limit_source") == _IN_FLIGHT:
        return classify(reply, {}, body=body, kind=_RATE)
    return classify(reply, quirks.errors, body=body, statuses=quirks.statuses)


def _never_fits(status: int, body: ErrorBody) -> bool:
    return status == 413 or (status == 429 and body.message.startswith("Request too large"))


def _stated_status(body: ErrorBody) -> int | None:
    inner = mapping(body.raw.get("error")) or body.raw
    for name in ("status_code", "code", "status", "raw_status_code"):
        status = _status(inner.get(name))
        if status is not None:
            return status
    return next((_STATUS_OF_TYPE[code] for code in body.codes if code in _STATUS_OF_TYPE), None)


def _status(value: Any) -> int | None:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else integer(value)
    return number if number is not None and 400 <= number < 600 else None
