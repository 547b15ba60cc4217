"""The errors that transports raise, in the same words for every HTTP client.

They name the host and what was going on, never a path, query, header or body; the client's exception holds those, so it
is not kept as a cause, and what it knows of use is in the message.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

from orchestrator.errors import CallTimeout, ConnectionFailed, MalformedReply, OrchestratorError

__all__ = ["broken", "connect_timeout", "malformed", "not_connected"]


def connect_timeout(host: str, connect_s: float) -> CallTimeout:
    """Neither connected nor refused in time."""
    return CallTimeout(f"no connection to {host} within {connect_s:g} s", kind="connect")


def not_connected(host: str, error: BaseException) -> ConnectionFailed:
    """Resolving, connecting or TLS failed: nothing was sent."""
    roots = [cause for cause in _causes(error) if isinstance(cause, OSError)]
    for root in reversed(roots):
        if isinstance(root, socket.gaierror):
            return ConnectionFailed(f"cannot resolve {host}: {root.strerror}")
        if isinstance(root, ssl.SSLError):
            return ConnectionFailed(f"TLS with {host} failed: {getattr(root, 'verify_message', root.reason)}")
    numbers = [root.errno for root in roots if root.errno]
    reason = os.strerror(numbers[-1]) if numbers else "no address answers"
    return ConnectionFailed(f"cannot connect to {host}: {reason}")


def broken(host: str) -> ConnectionFailed:
    """The connection broke after the request, or a part of it, was sent."""
    return ConnectionFailed(f"the connection to {host} broke before its answer was complete", maybe_billed=True)


def malformed(host: str) -> MalformedReply:
    """Bytes that are not HTTP, or headers beyond their bound."""
    return MalformedReply(f"what {host} answered is not HTTP, or its headers are too large", maybe_billed=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    # httpcore cuts its causes off and leaves contexts. An error of ours among those is of an earlier attempt, as this
    # one is made while that one is handled.
    while error is not None and not isinstance(error, OrchestratorError):
        yield error
        error = error.__cause__ or error.__context__
