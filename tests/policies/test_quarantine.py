"""A credential that was refused rests."""

from __future__ import annotations

import pytest

from orchestrator.errors import (
    AuthenticationFailed,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.policies.quarantine import Quarantine


@pytest.mark.parametrize(
    "error", [AuthenticationFailed("wrong key", status=401), QuotaExhausted("no credit", status=429)]
)
def test_refusals_rest_five_minutes(error: OrchestratorError) -> None:
    """A wrong key or an empty account rests for five minutes, then is tried again."""
    quarantine = Quarantine()
    quarantine.refused(error, 100.0)
    assert type(quarantine.reason(399.9)) is type(error)
    assert quarantine.reason(400.0) is None


def test_the_vendors_own_time_holds() -> None:
    """Where the vendor says when the quota comes back, it rests until then."""
    quarantine = Quarantine()
    quarantine.refused(QuotaExhausted("until midnight", retry_after=7_200.0), 100.0)
    assert quarantine.reason(7_299.0) is not None
    assert quarantine.reason(7_300.0) is None


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("not this model", status=403),
        RateLimited("slow down", retry_after=5.0),
        InvalidRequest("no"),
        Overloaded("busy"),
        ServerError("broken"),
    ],
)
def test_other_errors_say_nothing_about_it(error: OrchestratorError) -> None:
    """Rate limits, outages, bad requests, and a 403 that may be about one model, leave the credential in use."""
    quarantine = Quarantine()
    quarantine.refused(error, 100.0)
    assert quarantine.reason(100.0) is None


def test_a_new_credential_is_used_at_once() -> None:
    """Replacing the credential ends the rest."""
    quarantine = Quarantine()
    quarantine.refused(AuthenticationFailed("wrong key", status=401), 100.0)
    quarantine.lift()
    assert quarantine.reason(100.0) is None
    assert quarantine.until == 0.0


def test_the_reason_is_an_error_of_its_own() -> None:
    """Those who were not sent get the vendor's reason, what is left of the rest, and no request id of another call."""
    quarantine = Quarantine()
    first = QuotaExhausted("no credit", provider="acme", status=429, vendor_code="insufficient_quota", request_id="r1")
    quarantine.refused(first, 100.0)
    reason = quarantine.reason(150.0)
    assert reason is not None
    assert reason is not first
    assert (reason.provider, reason.status, reason.vendor_code) == ("acme", 429, "insufficient_quota")
    assert (reason.retry_after, reason.request_id, reason.retryable) == (250.0, None, False)
    assert "no credit" in reason.message
    assert "not sent" in reason.message
