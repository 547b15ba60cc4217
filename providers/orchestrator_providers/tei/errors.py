"""The server's errors: `{"error": text, "error_type": type}`, and plain text from the web framework below it."""

from __future__ import annotations

import re

from orchestrator.errors import (
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    ServerError,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorBody, ErrorKind, ErrorTable, classify, error_kind, read_error

__all__ = ["reply_error"]

# Limits and features are this server's own, so another deployment may take what it refuses.
_ELSEWHERE = error_kind(InvalidRequest, scope="deployment")
_ERRORS: ErrorTable = {
    "backend": error_kind(ServerError),
    "empty": error_kind(InvalidRequest),
    "overloaded": error_kind(Overloaded),
    "tokenizer": error_kind(InvalidRequest),
    "unhealthy": error_kind(Overloaded),
    "validation": _ELSEWHERE,
}
_STATUSES = {413: _ELSEWHERE, 424: error_kind(ServerError), 429: error_kind(Overloaded)}
_REFUSING = frozenset({400, 413, 422})
_TOO_LONG = re.compile(r"must have less than \d+ (?:tokens|characters)", re.ASCII)
_OTHER_TASK = re.compile(r"model is not an? [\w-]+ model", re.ASCII | re.IGNORECASE)


def reply_error(reply: HttpReply) -> OrchestratorError:
    """Classify an answer whose status is not 200. Never raises."""
    body = read_error(reply.body)
    return classify(reply, _ERRORS, body=body, kind=_refined(reply.status, body), statuses=_STATUSES)


def _refined(status: int, body: ErrorBody) -> ErrorKind | None:
    """What type and status leave open: too long, too many and an unknown prompt are all `Validation`, and asking a
    model for another task than its own is `Backend`, as a crash is.
    """
    if status in _REFUSING and _TOO_LONG.search(body.message):
        return error_kind(ContextTooLong)
    if status == 424 and _OTHER_TASK.search(body.message):
        return _ELSEWHERE
    return None
