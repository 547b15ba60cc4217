"""Signs requests to Vertex AI: an API key (express mode), or tokens that google-auth fetches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import AuthenticationFailed, ConfigError
from orchestrator.spec.auth import Grant, HeaderSigner, Signer, Token, TokenSigner
from orchestrator_providers.google.profile import VERTEX

__all__ = ["make_signer", "token_fetcher"]

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_INSTALL = "kind 'vertex' without an api_key needs google-auth: pip install 'model-orchestrator[google]'"
_DEFAULT_LIFE_S = 3_600.0


def make_signer(grant: Grant) -> Signer:
    """See `Wire.signer`. A provider without `api_key` uses `credentials_file`, or application default credentials.

    Raises:
        ConfigError: google-auth is not installed, or there is no project to bill.
    """
    if grant.secret is not None:
        return HeaderSigner(grant.headers, secret=grant.secret, header=VERTEX.auth_header, prefix=VERTEX.auth_prefix)
    if not grant.settings.get("project"):
        raise ConfigError("kind 'vertex' needs 'project' and 'location', or an api_key for its express mode")
    if find_spec("google") is None or find_spec("google.auth") is None or find_spec("requests") is None:
        raise ConfigError(_INSTALL)
    return TokenSigner(grant, token_fetcher(grant.settings, time=grant.time))


def token_fetcher(settings: Mapping[str, Any], *, time: Callable[[], float]) -> Callable[[], Token]:
    """A function that fetches a token; blocks. The credentials are looked up by its first call, and kept."""
    kept: list[Any] = []

    def fetch() -> Token:
        # requests, too, is what google-auth itself needs to ask a metadata server: another transport saves nothing.
        from google.auth.transport.requests import Request  # noqa: PLC0415

        if not kept:
            kept.append(_load(settings.get("credentials_file")))
        credentials = kept[0]
        credentials.refresh(Request())
        if not credentials.token:
            raise AuthenticationFailed("the credentials gave no token")
        expiry = credentials.expiry  # naive, in UTC
        ends = time() + _DEFAULT_LIFE_S if expiry is None else expiry.replace(tzinfo=UTC).timestamp()
        return Token(credentials.token, ends)

    return fetch


def _load(file: str | None) -> Any:
    from google import auth  # noqa: PLC0415

    if file is None:
        return auth.default(scopes=_SCOPES)[0]
    load: Any = auth.load_credentials_from_file
    if orjson.loads(Path(file).read_bytes()).get("type") == "service_account":
        from google.oauth2.service_account import Credentials  # noqa: PLC0415

        # The loader of every kind warns that it takes any kind.
        load = Credentials.from_service_account_file
        return load(file, scopes=_SCOPES)
    return load(file, scopes=_SCOPES)[0]
