"""Error codes of the Responses API, in answers, in failed responses and in streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import ContentFiltered, InvalidRequest, OrchestratorError, ServerError
from orchestrator_providers.openai.errors import ERRORS as CHAT_ERRORS
from orchestrator_providers.openai.errors import embedded_error
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.writing import write_json
from orchestrator_providers.shared.classify import ErrorTable, error_kind
from orchestrator_providers.shared.reading import mapping

__all__ = ["ERRORS", "response_error"]

_FILTERED = error_kind(ContentFiltered)
_INPUT = error_kind(InvalidRequest)
_OTHER_DEPLOYMENT = error_kind(InvalidRequest, scope="deployment")
_FAILED = error_kind(ServerError)

ERRORS: ErrorTable = {
    **CHAT_ERRORS,
    "server_error": _FAILED,
    "vector_store_timeout": _FAILED,
    "bio_policy": _FILTERED,
    "cyber_policy_violation": _FILTERED,
    "image_content_policy_violation": _FILTERED,
    "invalid_prompt": _FILTERED,
    "data_residency_mismatch": _OTHER_DEPLOYMENT,
    # What was wrong with the input, told by a response that failed: it has no status to tell it by.
    "empty_image_file": _INPUT,
    "failed_to_download_image": _INPUT,
    "image_file_not_found": _INPUT,
    "image_file_too_large": _INPUT,
    "image_parse_error": _INPUT,
    "image_too_large": _INPUT,
    "image_too_small": _INPUT,
    "invalid_base64_image": _INPUT,
    "invalid_image": _INPUT,
    "invalid_image_format": _INPUT,
    "invalid_image_mode": _INPUT,
    "invalid_image_url": _INPUT,
    "unsupported_image_media_type": _INPUT,
}


def response_error(body: Mapping[str, Any], headers: Mapping[str, str], quirks: Quirks) -> OrchestratorError:
    """Classify what a failed response or an error event says: `{"error": {"code", "message"}}`, or the two alone.

    Never raises. The tokens that went into it may be billed.
    """
    inner = mapping(body.get("error")) or {name: body[name] for name in ("code", "message", "error") if body.get(name)}
    error = embedded_error(write_json({"error": inner or {}}), headers, quirks)
    error.maybe_billed = True
    return error
