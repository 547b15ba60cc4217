"""A credential that was refused, or an account out of credit, is not asked again until something may have changed.

It is left alone until the time the vendor named, else for five minutes, and at once taken back when the credential is
replaced. Its deployments count as unavailable meanwhile; calls that have no other fail with the reason, unsent.
"""

from __future__ import annotations

from orchestrator.errors import AuthenticationFailed, OrchestratorError, QuotaExhausted

__all__ = ["Quarantine"]

_PROBE_AFTER_S = 300.0


class Quarantine:
    """The state of one credential. Single writes of plain values need no lock. `now` is monotonic seconds."""

    __slots__ = ("_reason", "until")

    def __init__(self) -> None:
        self.until = 0.0
        self._reason: OrchestratorError | None = None

    def refused(self, error: OrchestratorError, now: float) -> None:
        """The vendor has refused the credential, or the account's credit is used up. Other errors change nothing.

        A 403 does not count: it may be about one model only.
        """
        if isinstance(error, QuotaExhausted) or (isinstance(error, AuthenticationFailed) and error.status != 403):
            self._reason = error
            self.until = now + (error.retry_after or _PROBE_AFTER_S)

    def lift(self) -> None:
        """The credential was replaced, or has worked."""
        self.until = 0.0
        self._reason = None

    def reason(self, now: float) -> OrchestratorError | None:
        """Why it must not be used now; None if it may."""
        known = self._reason
        if known is None or now >= self.until:
            return None
        return type(known)(
            f"not sent, the credential rests since it was refused: {known.message}",
            provider=known.provider,
            status=known.status,
            vendor_code=known.vendor_code,
            retry_after=round(self.until - now, 3),
        )
