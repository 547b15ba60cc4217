"""Keys and Entra tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from orchestrator.errors import ConfigError
from orchestrator.spec.auth import Grant, HeaderSigner, Secret, Signer, Token, TokenSigner
from orchestrator_providers.azure.location import Cloud, cloud, spoken

__all__ = ["make_signer"]

_INSTALL = "no api_key, and Entra tokens need a package: pip install 'model-orchestrator[azure]'"


class _Credential(Protocol):
    """What of azure-identity's credentials is used."""

    def get_token(self, *scopes: str) -> Any:
        """A token with `token` and `expires_on`, seconds since 1970."""
        ...


def make_signer(grant: Grant) -> Signer:
    """Signs with the key, or with tokens of an application, or of whatever identity the process runs under.

    Raises:
        ConfigError: azure-identity is missing, or a setting is.
    """
    spoken(grant.settings)
    where = cloud(grant.settings)
    if grant.secret is not None or "api-key" in grant.headers or "authorization" in grant.headers:
        return HeaderSigner(grant.headers, secret=grant.secret, header="api-key", prefix="")
    open_credential = _opener(grant.settings, where)
    return TokenSigner(grant, _fetcher(open_credential, where.scope))


def _fetcher(open_credential: Callable[[], _Credential], scope: str) -> Callable[[], Token]:
    """Fetches one token after the other; the first fetch opens the credential, which may look at this machine."""
    opened: list[_Credential] = []

    def fetch() -> Token:
        if not opened:
            opened.append(open_credential())
        token = opened[0].get_token(scope)
        return Token(token.token, float(token.expires_on))

    return fetch


def _opener(settings: Mapping[str, Any], where: Cloud) -> Callable[[], _Credential]:
    try:
        import azure.identity as entra  # noqa: PLC0415 - an extra, loaded when a provider needs it
    except ImportError as error:
        raise ConfigError(_INSTALL) from error
    authority = urlsplit(where.authority).netloc
    secret, tenant, client = (settings.get(name) for name in ("client_secret", "tenant_id", "client_id"))
    if secret is None:
        given = {"managed_identity_client_id": client} if client else {}
        return lambda: entra.DefaultAzureCredential(authority=authority, **given)
    missing = [name for name in ("tenant_id", "client_id") if not settings.get(name)]
    if missing:
        raise ConfigError(f"client_secret needs {' and '.join(missing)} beside it")
    assert isinstance(secret, Secret)  # the profile names it as one
    return lambda: entra.ClientSecretCredential(str(tenant), str(client), secret.reveal(), authority=authority)
