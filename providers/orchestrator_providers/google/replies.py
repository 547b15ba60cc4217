"""Reads whole answers, which may be alone in an array."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.spec.transport import HttpReply
from orchestrator_providers.google.errors import read_failure
from orchestrator_providers.shared.reading import read_json

__all__ = ["read_reply"]


def read_reply(reply: HttpReply) -> dict[str, Any]:
    """The object of an answer with status 200.

    Raises:
        MalformedReply: it is none.
        OrchestratorError: it is an error in spite of the status.
    """
    value = read_json(reply.body)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise MalformedReply("the reply is JSON, but not an object")
    if "error" in value:
        raise read_failure(reply)
    return value
