"""Scalars as people write them: durations, sizes, URLs, header fields. All raise `ValueError` in words for a reader."""

from __future__ import annotations

import ipaddress
import math
import re
import socket
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from orchestrator.config.tree import FromEnv, shown
from orchestrator.config.yaml import plain

__all__ = [
    "SECRET_HEADERS",
    "count",
    "duration_s",
    "flag",
    "header_name",
    "header_value",
    "http_url",
    "name",
    "number",
    "redis_url",
    "size_bytes",
    "text",
]

SECRET_HEADERS = frozenset(
    {
        "api-key",
        "api_key",
        "apikey",
        "authorization",
        "cookie",
        "ocp-apim-subscription-key",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        "x-goog-api-key",
    }
)

_MAX_DURATION_S = 86_400.0
# Who writes 30000 has milliseconds in mind, mostly, and would wait for hours.
_MAX_BARE_S = 3600.0
_MAX_COUNT = 10**15
_UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?"
    r"(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?",
    re.ASCII,
)
_SIZE = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?)([kKMG]?)", re.ASCII)
_SCALE = {"": 1, "k": 1000, "K": 1000, "M": 1_000_000, "G": 1_000_000_000}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
# The transport and the wires write these; a second one would break the framing of the request.
_RESERVED_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"}
)
_METADATA_HOSTS = frozenset(
    {"instance-data", "instance-data.ec2.internal", "metadata", "metadata.google.internal", "metadata.goog"}
)
_METADATA_NETWORKS = tuple(
    ipaddress.ip_network(network) for network in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")
)


def number(value: Any) -> float:
    """A finite number."""
    found = plain(value) if isinstance(value, FromEnv) else value
    if isinstance(found, bool) or not isinstance(found, int | float | Decimal) or not math.isfinite(found):
        raise ValueError(f"expected a number, found {shown(value)}{_number_within(found)}")
    return float(found)


def _number_within(value: Any) -> str:
    """What makes text of a number, as a hint."""
    if not isinstance(value, str) or isinstance(value, FromEnv):
        return ""
    if isinstance(plain(value), int | float):
        return "; take the quotes away"
    if isinstance(plain(value.replace(",", ".", 1)), int | float):
        return "; decimals have a point"
    return "; write the number alone" if isinstance(plain(value.rstrip("% ")), int | float) else ""


def flag(value: Any) -> bool:
    """True or false."""
    found = plain(value) if isinstance(value, FromEnv) else value
    if not isinstance(found, bool):
        raise ValueError(f"expected true or false, found {shown(value)}")
    return found


def text(value: Any) -> str:
    """Text on one line, not empty, without control characters."""
    if not isinstance(value, str):
        hint = "; quote it to make it text" if isinstance(value, int | float) else ""
        raise ValueError(f"expected text, found {shown(value)}{hint}")
    if not value.strip() or not value.isprintable():
        raise ValueError("expected text on one line, found none" if not value.strip() else "control characters")
    return str(value)


def name(value: Any) -> str:
    """The name of a provider, deployment or route: one line of up to 200 characters."""
    found = text(value)
    if found != found.strip() or len(found) > 200:
        raise ValueError("a name has at most 200 characters and no space at either end")
    return found


def count(value: Any) -> int:
    """A whole number of at least 1, also as `200k`, `2M` or `1_000`."""
    found = plain(value) if isinstance(value, FromEnv) else value
    exact = _size(found) if isinstance(found, str) else found
    if isinstance(exact, bool) or not isinstance(exact, int | float | Decimal) or not math.isfinite(exact):
        raise ValueError(f"expected a size such as 500, 200k or 2M, found {shown(value)}{_size_within(found)}")
    if exact != int(exact) or not 1 <= exact <= _MAX_COUNT:
        raise ValueError(f"expected a whole number of at least 1, found {shown(value)}")
    return int(exact)


def size_bytes(value: Any) -> int:
    """A number of bytes of at least 1, also as `64kB`, `100MB` or `1G`."""
    found = plain(value) if isinstance(value, FromEnv) else value
    try:
        return count(found.removesuffix("B") if isinstance(found, str) else found)
    except ValueError:
        raise ValueError(f"expected a size such as 64kB, 100MB or 1GB, found {shown(value)}") from None


def _size_within(value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, FromEnv):
        return ""
    if value.endswith("m") and _SIZE.fullmatch(value[:-1]):
        return "; a million is M"
    return "; write it without separators" if _SIZE.fullmatch(re.sub(r"[,.' ]", "", value)) else ""


def _size(found: str) -> Decimal | None:
    match = _SIZE.fullmatch(found)
    return Decimal(match[1]) * _SCALE[match[2]] if match and len(found) <= 20 else None


def duration_s(value: Any) -> float:
    """Seconds, from a number of seconds or from words such as `30s`, `1m30s` or `500ms`; more than 0, at most a day.

    A number alone is at most an hour.
    """
    found = plain(value) if isinstance(value, FromEnv) else value
    seconds = _spelled_s(found) if isinstance(found, str) else found
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Decimal) or not math.isfinite(seconds):
        raise ValueError(f"expected a duration such as 30s, 1m30s or 500ms, found {shown(value)}")
    if not 0 < seconds <= _MAX_DURATION_S:
        raise ValueError(f"expected a duration of more than 0 and at most one day, found {shown(value)}")
    if not isinstance(found, str) and seconds > _MAX_BARE_S:
        raise ValueError(f"write the unit of so long a time: {shown(value)}ms or {shown(value)}s")
    return float(seconds)


def _spelled_s(found: str) -> float | None:
    match = _DURATION.fullmatch(found) if 0 < len(found) <= 40 else None
    if match is None:
        return None
    return sum(float(amount) * _UNITS_S[unit] for unit, amount in match.groupdict().items() if amount)


def header_name(value: Any) -> str:
    """An HTTP field name in lower case, none of those that the transport or the wire writes."""
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(value):
        raise ValueError("not a header name")
    lower = value.lower()
    if lower in _RESERVED_HEADERS:
        raise ValueError(f"header {lower!r} is written by the library")
    return lower


def header_value(value: Any) -> str:
    """An HTTP field value: visible ASCII and spaces. The value is never repeated."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {shown(value)}")
    if not _VISIBLE.fullmatch(value) or value != value.strip() or not value:
        raise ValueError("a header's value must be visible ASCII, without control characters or space at either end")
    return str(value)


def http_url(value: Any, *, credentials: bool = False) -> str:
    """An http(s) URL without query or fragment, not of a cloud's metadata service; trailing slashes are dropped.

    Addresses of private networks are fine: operators' own servers live there. The URL is never repeated whole, since
    it may hold a password. `credentials` allows one.
    """
    found = text(value)
    if not _URL.fullmatch(found):
        raise ValueError("a URL must be visible ASCII without spaces or backslashes")
    parts, host = _split(found)
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("expected a URL that begins with http:// or https://")
    if "://" in found.partition("://")[2]:
        raise ValueError("expected one URL; http:// or https:// is there twice")
    if "@" in parts.netloc and not credentials:
        raise ValueError("a URL must not hold credentials; they go under api_key or headers")
    if "?" in found or "#" in found:
        raise ValueError("a URL must not have a query or fragment here")
    if _is_metadata(host):
        raise ValueError(f"{host} is a cloud metadata address, which no model is served from")
    return found.rstrip("/")


def redis_url(value: Any, *, credentials: bool = False) -> str:
    """A URL of a Redis server: redis://, rediss:// or unix://. Never repeated; `credentials` allows a password."""
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as redis://127.0.0.1:6379, found {shown(value)}")
    if not _URL.fullmatch(value):
        raise ValueError("a URL must be visible ASCII without spaces or backslashes")
    parts, host = _split(value)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("expected a URL that begins with redis://, rediss:// or unix://")
    if not credentials and ("@" in parts.netloc or _has_password(parts.query)):
        raise ValueError("a literal secret is refused; give the whole URL as {env: NAME}")
    if not (parts.path.strip("/") if parts.scheme == "unix" else host):
        raise ValueError("the URL names no server")
    return str(value)


def _has_password(query: str) -> bool:
    return any("password" in key.lower() for key in parse_qs(query))


def _split(url: str) -> tuple[SplitResult, str]:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("expected a URL with a valid host and port") from None
    return parts, (parts.hostname or "").rstrip(".")


def _is_metadata(host: str) -> bool:
    if host in _METADATA_HOSTS:
        return True
    address = _address(host)
    return address is not None and any(address in network for network in _METADATA_NETWORKS)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        mapped = getattr(address, "ipv4_mapped", None)
        return mapped or address
    try:
        # Resolvers also take 2852039166 and 0xa9.0xfe.0xa9.0xfe for the same address. No look-up is made.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
