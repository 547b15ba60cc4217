"""AWS Signature Version 4, for POST requests without a query.

Source: "Create a signed AWS API request" in AWS's IAM user guide. botocore could sign too, but not at a given time, and
it logs the security token at debug level.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from orchestrator.spec.transport import HttpRequest

__all__ = ["Credential", "RequestSigner"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_PORTS = {"http": 80, "https": 443}
_KEYS_KEPT = 8


@dataclass(frozen=True, slots=True)
class Credential:
    """An AWS credential. `token` goes with temporary ones."""

    key_id: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class RequestSigner:
    """Signs for one service in one region. `time` gives seconds since 1970; AWS takes five minutes' difference."""

    __slots__ = ("_keys", "_region", "_service", "_time")

    def __init__(self, region: str, service: str, time: Callable[[], float]) -> None:
        self._region = region
        self._service = service
        self._time = time
        self._keys: dict[tuple[str, str], bytes] = {}

    def sign(self, request: HttpRequest, headers: Mapping[str, str], credential: Credential) -> dict[str, str]:
        """The headers and those of the signature. Signed are the host, the content type and all of AWS's own: what
        proxies may change on the way is not.
        """
        now = datetime.fromtimestamp(self._time(), UTC).strftime("%Y%m%dT%H%M%SZ")
        sent = {**headers, "x-amz-date": now}
        if credential.token:
            sent["x-amz-security-token"] = credential.token
        signed = {name: value for name, value in sent.items() if name.startswith("x-amz") or name == "content-type"}
        signed["host"] = headers.get("host") or _host(request.url)
        names = ";".join(sorted(signed))
        scope = f"{now[:8]}/{self._region}/{self._service}/aws4_request"
        canonical = hashlib.sha256(_canonical(request, signed, names).encode()).hexdigest()
        text = f"{_ALGORITHM}\n{now}\n{scope}\n{canonical}"
        signature = _hmac(self._key(now[:8], credential), text).hex()
        proof = f"Credential={credential.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        sent["authorization"] = f"{_ALGORITHM} {proof}"
        return sent

    def _key(self, day: str, credential: Credential) -> bytes:
        known = self._keys.get((day, credential.secret_key))
        if known is None:
            known = _hmac(f"AWS4{credential.secret_key}".encode(), day)
            for part in (self._region, self._service, "aws4_request"):
                known = _hmac(known, part)
            if len(self._keys) >= _KEYS_KEPT:
                self._keys.clear()
            self._keys[day, credential.secret_key] = known
        return known


def _canonical(request: HttpRequest, signed: Mapping[str, str], names: str) -> str:
    # The path is encoded once more than it is sent, as by every service but S3.
    path = quote(urlsplit(request.url).path or "/", safe="/~")
    lines = [f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)]
    body = hashlib.sha256(request.body).hexdigest()
    return "\n".join(["POST", path, "", *lines, "", names, body])


def _host(url: str) -> str:
    """As HTTP clients write it: in lower case, the port only if it is not the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
