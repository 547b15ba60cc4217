"""Addresses of Azure's resources, by the provider's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from orchestrator.errors import ConfigError
from orchestrator.spec.provider import Target

__all__ = ["Cloud", "cloud", "deployment_base", "locate", "models_base", "responses_base", "spoken"]

_APIS = ("chat", "responses", "models")
_MODELS_VERSION = "2024-05-01-preview"
"""The Foundry models endpoint has no address without a version; this is the one that it has had from the start."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Azure's clouds: the domain of its resources, where tokens come from, and what they are asked for."""

    domain: str
    authority: str
    scope: str


_CLOUDS = {
    "public": Cloud("openai.azure.com", "login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"),
    "usgov": Cloud("openai.azure.us", "login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
    "china": Cloud("openai.azure.cn", "login.chinacloudapi.cn", "https://cognitiveservices.azure.cn/.default"),
}


def cloud(settings: Mapping[str, Any]) -> Cloud:
    """The cloud of a provider.

    Raises:
        ConfigError: there is none of that name.
    """
    name = settings.get("cloud", "public")
    if name not in _CLOUDS:
        raise ConfigError(f"cloud: expected one of {', '.join(_CLOUDS)}")
    return _CLOUDS[name]


def spoken(settings: Mapping[str, Any]) -> str:
    """Which of the APIs: `chat`, `responses` or `models`.

    Raises:
        ConfigError: there is none of that name.
    """
    api = settings.get("api", "chat")
    if api not in _APIS:
        raise ConfigError(f"api: expected one of {', '.join(_APIS)}")
    return str(api)


def locate(settings: Mapping[str, Any]) -> str:
    """The resource's address, by its name.

    Raises:
        ConfigError: it is not given, or is no name.
    """
    name = settings.get("resource")
    if not name:
        raise ConfigError("needs base_url, or resource: the name in https://NAME.openai.azure.com")
    if not isinstance(name, str) or not name.replace("-", "").isalnum() or not name.isascii():
        raise ConfigError("resource: expected the name in https://NAME.openai.azure.com")
    return f"https://{name}.{cloud(settings).domain}"


def deployment_base(target: Target) -> str:
    """The base URL below which one deployment's tasks are."""
    version = _version(target)
    if "/deployments/" in target.base_url:
        return _with_version(target.base_url, version)
    if version is None:
        return _v1(target.base_url)
    return f"{_root(target.base_url)}/openai/deployments/{quote(target.model, safe='')}?api-version={version}"


def responses_base(target: Target) -> str:
    """The base URL of the Responses API, which names its deployment in the body."""
    version = _version(target)
    return _v1(target.base_url) if version is None else f"{_root(target.base_url)}/openai?api-version={version}"


def models_base(target: Target) -> str:
    """The base URL of the Foundry models endpoint."""
    return f"{_root(target.base_url)}/models?api-version={_version(target) or _MODELS_VERSION}"


def _version(target: Target) -> str | None:
    version = target.settings.get("api_version")
    return None if version is None else quote(str(version), safe="")


def _with_version(base_url: str, version: str | None) -> str:
    return base_url if version is None or "?" in base_url else f"{base_url}?api-version={version}"


def _v1(base_url: str) -> str:
    """With the version where only the path before it is given; a bare host gets the whole path further on."""
    base = base_url.rstrip("/")
    return f"{base}/v1" if base.endswith("/openai") else base


def _root(base_url: str) -> str:
    """The resource itself, whatever of the API's path people write behind it."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    for ending in ("/v1", "/openai", "/models"):
        path = path.removesuffix(ending)
    return f"{parts.scheme}://{parts.netloc}{path}"
