"""Where a task is asked for: the Gemini API's one host, Vertex AI's host per location."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.errors import ConfigError
from orchestrator.spec.provider import Target
from orchestrator_providers.google.profile import VERTEX

__all__ = ["api_base", "endpoint", "locate", "resource"]

_MULTI_REGIONS = frozenset({"eu", "us"})
_VERSION = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?(?:/|$)")
_LOCATION = re.compile(r"[a-z0-9-]+")


def locate(settings: Mapping[str, Any]) -> str:
    """Vertex AI's host for the settings `project` and `location`; with neither, that of its express mode (an API key).

    Raises:
        ConfigError: one of the two is missing. A location has no default: it decides where data is processed.
    """
    project, location = settings.get("project"), settings.get("location")
    if bool(project) != bool(location):
        missing = "location" if project else "project"
        raise ConfigError(f"kind 'vertex' needs {missing!r} (project and location, or neither with an api_key)")
    if not location or location == "global":
        return "https://aiplatform.googleapis.com"
    if not _LOCATION.fullmatch(str(location)):
        raise ConfigError("the location is no name of a region")
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def api_base(target: Target) -> str:
    """Base URL with the API's version; one that already holds a version is taken as it is."""
    base = target.base_url.rstrip("/")
    if _VERSION.search(base):
        return base
    # The newest fields come to the beta versions first, and the vendor's own SDK uses these.
    return f"{base}/v1beta1" if target.profile.kind == VERTEX.kind else f"{base}/v1beta"


def endpoint(target: Target, method: str) -> str:
    """URL of a method of the target's model."""
    return f"{api_base(target)}/{quote(resource(target), safe='/@')}:{method}"


def resource(target: Target) -> str:
    """The model's resource name.

    Takes the vendor's own forms too: `models/…`, `tunedModels/…`; on Vertex `projects/…`, `publishers/…`,
    `publisher/model`, and the number of an endpoint that serves a tuned model.
    """
    model = target.model
    if target.profile.kind != VERTEX.kind:
        return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    if model.startswith("projects/"):
        return model
    return f"{_account(target)}{_published(model)}"


def _published(model: str) -> str:
    if model.startswith(("publishers/", "endpoints/")):
        return model
    if model.isdigit():
        return f"endpoints/{model}"
    publisher, slash, name = model.removeprefix("models/").partition("/")
    return f"publishers/{publisher}/models/{name}" if slash else f"publishers/google/models/{publisher}"


def _account(target: Target) -> str:
    project, location = target.settings.get("project"), target.settings.get("location")
    if not project or not location or "/projects/" in target.base_url:
        return ""
    return f"projects/{project}/locations/{location}/"
