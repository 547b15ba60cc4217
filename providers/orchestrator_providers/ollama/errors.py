"""Errors of Ollama's API: `{"error": "text"}`, so that the status and the text have to say it all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    OrchestratorError,
    QuotaExhausted,
    ServerError,
    UnsupportedFeature,
)
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.shared.classify import ErrorKind, classify, error_kind, read_error
from orchestrator_providers.shared.reading import integer

__all__ = ["embedded_failure", "read_failure"]

_BY_TEXT: tuple[tuple[frozenset[int], re.Pattern[str], ErrorKind], ...] = (
    (
        frozenset({400, 500}),
        re.compile(r"(?:exceed\w*|longer than) (?:the |max )?(?:model's )?(?:maximum )?context length"),
        error_kind(ContextTooLong),
    ),
    (
        frozenset({400}),
        re.compile(r"does not support \w+|is not supported (?:by|for) this model|missing data required for image"),
        error_kind(UnsupportedFeature),
    ),
    # The machine is too small for the model: asking again changes nothing, another deployment might.
    (
        frozenset({500}),
        re.compile(r"requires more system memory|unable to load model"),
        error_kind(ServerError, retryable=False),
    ),
    # ollama.com: the key is good, but this model is not for it.
    (
        frozenset({403}),
        re.compile(r"requires a subscription|is disabled"),
        error_kind(AuthenticationFailed, scope="deployment"),
    ),
    # ollama.com: an hourly limit comes back soon enough to be called a rate.
    (frozenset({429}), re.compile(r"weekly usage limit"), error_kind(QuotaExhausted)),
)
_STATED = ("status", "status_code", "StatusCode")


def read_failure(reply: HttpReply) -> OrchestratorError:
    """Classify an answer whose status is not 200. Never raises."""
    body = read_error(reply.body)
    return classify(reply, {}, body=body, kind=_kind(reply.status, body.message.lower()))


def embedded_failure(value: Mapping[str, Any]) -> OrchestratorError:
    """Classify an error that came inside a 200: as a line of a stream, which has no status unless it states one."""
    stated = next((status for name in _STATED if (status := _status(value.get(name))) is not None), None)
    error = read_failure(HttpReply(stated or 500, {}, orjson.dumps(value)))
    error.status = stated or 200
    return error


def _kind(status: int, message: str) -> ErrorKind | None:
    return next((kind for statuses, text, kind in _BY_TEXT if status in statuses and text.search(message)), None)


def _status(value: Any) -> int | None:
    number = integer(value)
    return number if number is not None and 400 <= number < 600 else None
