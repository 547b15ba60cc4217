"""Errors of Cohere's API: `{"id", "message"}`, so that the status says all but a few things."""

from __future__ import annotations

from orchestrator.errors import ContentFiltered, OrchestratorError, QuotaExhausted, ServerError
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorKind, classify, error_kind, read_error

__all__ = ["failed_generation", "read_failure"]

_BLOCKED_TOKEN = error_kind(ContentFiltered)
_CALLS_SPENT = error_kind(QuotaExhausted)


def read_failure(reply: HttpReply) -> OrchestratorError:
    """Classify an error answer. Never raises."""
    body = read_error(reply.body)
    return classify(reply, {}, body=body, kind=_kind(reply.status, body.message.lower()))


def _kind(status: int, message: str) -> ErrorKind | None:
    if status == 498:
        return _BLOCKED_TOKEN
    if status == 429 and "month" in message:
        # A trial key has 1,000 calls a month besides its calls a minute: no wait of ours helps.
        return _CALLS_SPENT
    return None


def failed_generation(finish_reason: str, request_id: str | None) -> OrchestratorError:
    """An answer with status 200 whose finish reason says that it is none: `ERROR` or `TIMEOUT`."""
    return ServerError(
        "the vendor failed while generating", vendor_code=finish_reason, request_id=request_id, maybe_billed=True
    )
