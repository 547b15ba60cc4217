"""Error codes of Azure: OpenAI's own, and those of the gateway in front."""

from __future__ import annotations

from orchestrator.errors import InvalidRequest, Overloaded, RateLimited
from orchestrator_providers.openai_responses.errors import ERRORS as OPENAI_ERRORS
from orchestrator_providers.shared.classify import ErrorTable, error_kind

__all__ = ["ERRORS"]

_OTHER_DEPLOYMENT = error_kind(InvalidRequest, scope="deployment")

ERRORS: ErrorTable = {
    **OPENAI_ERRORS,
    "nocapacity": error_kind(Overloaded),
    "operationnotsupported": _OTHER_DEPLOYMENT,
    "ratelimitreached": error_kind(RateLimited),
    "toomanyrequests": error_kind(RateLimited),
    "unknown_model": _OTHER_DEPLOYMENT,
}
"""What a content filter refuses has the code `content_filter`, which is OpenAI's too."""
