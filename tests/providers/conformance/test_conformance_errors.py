"""How every wire classifies error answers, and what its errors and values never show."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from entries import WIRES, bind, kinds_with, representatives, sample_of
from hostile import GARBAGE, mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Scope,
    ServerError,
)
from orchestrator.spec.provider import Codec
from orchestrator.spec.transport import HttpReply

TASKS = ("chat", "embed", "rerank")
CASES = [(kind, task) for task in TASKS for kind in kinds_with(task)]
DEEP = sorted({(kind, task) for task in TASKS for kind in representatives(task)})
many = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

STATUSES: dict[int, tuple[type[OrchestratorError], bool, Scope]] = {
    400: (InvalidRequest, False, "request"),
    401: (AuthenticationFailed, False, "credential"),
    402: (QuotaExhausted, False, "credential"),
    403: (AuthenticationFailed, False, "credential"),
    404: (InvalidRequest, False, "deployment"),
    408: (CallTimeout, True, "deployment"),
    422: (InvalidRequest, False, "request"),
    429: (RateLimited, True, "deployment"),
    500: (ServerError, True, "deployment"),
    502: (ServerError, True, "deployment"),
    503: (Overloaded, True, "deployment"),
    504: (ServerError, True, "deployment"),
    529: (Overloaded, True, "deployment"),
}
"""What a status means where the body has no code that says more."""


def _codec(kind: str, task: str) -> Codec[Any, Any]:
    codec: Codec[Any, Any] | None = getattr(bind(kind, task), task)
    assert codec is not None, f"{kind} says that it has {task}, and binds none"
    return codec


def _error(kind: str, task: str, status: int, message: str = "no", **headers: str) -> OrchestratorError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _codec(kind, task).error(HttpReply(status, named, orjson.dumps(sample_of(kind).error(message))))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("kind", "task"), CASES)
def test_the_status_decides_where_the_body_says_no_more(kind: str, task: str, status: int) -> None:
    """Class, retryability and scope follow the HTTP status, except for statuses with a meaning of the vendor's own."""
    error = _error(kind, task, status)
    own = sample_of(kind).statuses.get(status)
    if own is not None:
        assert type(error) is own
        return
    assert (type(error), error.retryable, error.scope) == STATUSES[status]
    assert error.status == status


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in CASES}))
def test_every_task_of_the_profile_is_bound(kind: str) -> None:
    """A wire binds a codec for each task of its profile, and for no other."""
    for task in TASKS:
        assert (getattr(bind(kind, task), task) is not None) == (task in WIRES[kind].profile.tasks)


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_the_wait_and_the_request_id_are_read(kind: str, task: str) -> None:
    """`retry-after` and the request id of an error answer are on the error."""
    error = _error(kind, task, 429, retry_after="7", x_request_id="req-9")
    assert error.retry_after == 7.0
    assert error.request_id == "req-9"


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_errors_of_no_shape_are_classified_by_status(kind: str, task: str) -> None:
    """A gateway's page of HTML, no body at all and bytes that are no JSON are classified by the status alone."""
    codec = _codec(kind, task)
    for body in GARBAGE:
        assert type(codec.error(HttpReply(502, {}, body))) is ServerError
        assert type(codec.error(HttpReply(429, {}, body))) is sample_of(kind).statuses.get(429, RateLimited)
        assert type(codec.error(HttpReply(401, {}, body))) is AuthenticationFailed


@pytest.mark.parametrize(("kind", "task"), DEEP)
@many
@given(data=st.data())
def test_the_classifier_never_raises(kind: str, task: str, data: st.DataObject) -> None:
    """Whatever status, headers and bytes come, the answer is classified."""
    shaped = mutated(sample_of(kind).error("no")).map(lambda value: json.dumps(value).encode())
    body = data.draw(st.binary(max_size=80) | st.sampled_from(GARBAGE) | shaped)
    headers = data.draw(
        st.dictionaries(
            st.sampled_from(["retry-after", "retry-after-ms", "x-request-id", "x-should-retry", "x-amzn-errortype"]),
            st.text(max_size=30) | st.sampled_from(["7", "-1", "nan", "Wed, 21 Oct 2026 07:28:00 GMT"]),
        )
    )
    status = data.draw(st.integers(201, 599))
    error = _codec(kind, task).error(HttpReply(status, headers, body))
    assert isinstance(error, OrchestratorError)
    assert error.retry_after is None or 0 <= error.retry_after <= 86_400
    assert error.request_id is None or isinstance(error.request_id, str)
    assert error.vendor_code is None or isinstance(error.vendor_code, str)
    assert str(error)


@pytest.mark.parametrize("key", ["sk-proj-abcdefghij0123456789", "AIzaSyA-0123456789abcdefghijklmnopqrstu"])
@pytest.mark.parametrize(("kind", "task"), CASES)
def test_a_key_that_the_vendor_repeats_is_not_shown(kind: str, task: str, key: str) -> None:
    """A credential in the vendor's message is neither in the error's text nor in its repr."""
    error = _error(kind, task, 401, f"Incorrect API key provided: {key}. You can find it in the console.")
    assert "Incorrect API key" in str(error)
    assert key not in str(error)
    assert key not in repr(error)
