"""Error codes of Mistral's API, beyond those that it shares with OpenAI's.

An error is `{"object": "error", "message", "type", "param", "code"}` whose code is a number as text, or `detail` with a
sentence (401) or a list of what is wrong where (422). The shared classifier reads them all.
"""

from __future__ import annotations

from orchestrator.errors import InvalidRequest, Overloaded, RateLimited
from orchestrator_providers.openai.errors import ERRORS as OPENAI_ERRORS
from orchestrator_providers.shared.classify import ErrorTable, error_kind

__all__ = ["ERRORS"]

_OTHER_MODEL = error_kind(InvalidRequest, scope="deployment")
_OVERLOADED = error_kind(Overloaded)
_RATE = error_kind(RateLimited)

ERRORS: ErrorTable = {
    **OPENAI_ERRORS,
    "1300": _RATE,
    "rate_limited": _RATE,
    "1500": _OTHER_MODEL,
    "invalid_model": _OTHER_MODEL,
    "unknown_model": _OTHER_MODEL,
    # A 429 that is no limit of the account's.
    "3505": _OVERLOADED,
    "service_tier_capacity_exceeded": _OVERLOADED,
}
