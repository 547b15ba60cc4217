"""The request as one candidate takes it."""

from __future__ import annotations

from typing import Any

from orchestrator.attempt import Call
from orchestrator.errors import InvalidRequest
from orchestrator.snapshot import Candidate
from orchestrator.tasks import merge

__all__ = ["fits"]


def fits(call: Call, candidate: Candidate) -> bool:
    """Whether the candidate's model can take the call, found out once; if not it is barred, whatever its state."""
    name = candidate.name
    if name in call.fitted:
        return True
    if name in call.progress.barred:
        return False
    request = _request_for(call, candidate)
    if candidate.fit is None:
        call.fitted[name] = (request, ())
        return True
    try:
        call.fitted[name] = candidate.fit(request)
    except InvalidRequest as refusal:
        refusal.deployment, refusal.provider = name, candidate.deployment.provider
        call.progress.barred[name] = refusal
        return False
    return True


def _request_for(call: Call, candidate: Candidate) -> Any:
    """The request with the options that hold at this candidate."""
    request = call.request
    nothing = call.rules.no_options
    if candidate.defaults is nothing:
        return request
    options = candidate.defaults
    if request.options is not nothing:
        options = merge(request.options, options)
    values = {name: getattr(request, name) for name in request.__slots__}
    return type(request)(**(values | {"options": options}))
