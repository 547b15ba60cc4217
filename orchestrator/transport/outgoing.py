"""What is checked and added before a request leaves, the same for every HTTP client."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from orchestrator.errors import ConfigError

__all__ = ["check_proxy", "check_url", "complete_headers", "host_of"]

_URL = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")

# A compressed answer would save little on replies of this size, and costs time and a bound of its own.
_DEFAULTS = {"accept-encoding": "identity", "content-type": "application/json"}


def check_url(url: str) -> str:
    """The URL as it is, if it is absolute, http or https, already quoted and without a user name.

    Raises:
        ConfigError: it is not. The message does not repeat it, as a query may hold a credential.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _URL.fullmatch(url):
        raise ConfigError("the URL must be absolute, http or https, percent-encoded ASCII, without user name")
    return url


def check_proxy(url: str) -> str:
    """The URL of a proxy as it is, if it is one that can be used; it may hold a user name.

    Raises:
        ConfigError: it is not. The message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _URL.fullmatch(url):
        raise ConfigError("the proxy must be an http or https URL", key="proxy")
    return url


def host_of(url: str) -> str:
    """Host and port for messages: the part of a URL that holds no credential and no prompt."""
    return urlsplit(url).netloc.rpartition("@")[2]


def complete_headers(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The headers to send: these, and defaults for those that are missing.

    Raises:
        ConfigError: a name or value that could end its line or is not ASCII. The message does not repeat the value.
    """
    for name, value in items:
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigError("a header name holds characters that HTTP does not allow")
        if not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"the value of header {name} holds a line end, a control or a non-ASCII character")
    return _DEFAULTS | {name.lower(): value for name, value in items}
