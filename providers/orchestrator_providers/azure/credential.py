"""Keys and Entra tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from orchestrator.errors import ConfigError
from orchestrator.spec.auth import Grant, HeaderSigner, Secret, Signer, Token, TokenSigner
from orchestrator_providers.azure.location import Cloud, cloud, spoken

__all__ = ["make_signer"]

_IDENTITY = {
    "client_id": "managed_identity_client_id",
    "tenant_id": "workload_identity_tenant_id",
}
_INSTALL = "no api_key, and Entra tokens need a package: pip install 'model-orchestrator[azure]'"


class _Credential(Protocol):
    """What of azure-identity's credentials is used."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *args: object) -> None: ...


def make_signer(grant: Grant, open_credential: Callable[[], _Credential] | None = None) -> Signer:
    """Signs with the key, or with tokens of an application, or of whatever identity the process runs under.

    Args:
        grant: what the provider has.
        open_credential: gives the credential to ask for tokens, one of azure-identity unless given. Called in a thread.

    Raises:
        ConfigError: azure-identity is missing, or a setting is.
    """
    spoken(grant.settings)
    where = cloud(grant.settings)
    if grant.secret is not None or "api-key" in grant.headers or "authorization" in grant.headers:
        return HeaderSigner(grant.headers, secret=grant.secret, header="api-key", prefix="")
    opener = open_credential or _opener(grant.settings, where)

    def fetch() -> Token:
        # Opened anew each time: a credential would give the token that was just refused out of its own cache.
        with opener() as credential:
            token = credential.get_token(where.scope)
        return Token(token.token, float(token.expires_on))

    return TokenSigner(grant, fetch)


def _opener(settings: Mapping[str, Any], where: Cloud) -> Callable[[], _Credential]:
    try:
        import azure.identity as entra  # noqa: PLC0415 - an extra, loaded when a provider needs it
    except ImportError as error:
        raise ConfigError(_INSTALL) from error
    secret, tenant, client = (settings.get(name) for name in ("client_secret", "tenant_id", "client_id"))
    if secret is None:
        given = {name: settings[key] for key, name in _IDENTITY.items() if settings.get(key)}
        return lambda: entra.DefaultAzureCredential(authority=where.authority, **given)
    missing = [name for name in ("tenant_id", "client_id") if not settings.get(name)]
    if missing:
        raise ConfigError(f"client_secret needs {' and '.join(missing)} beside it")

    def open_application() -> _Credential:
        assert isinstance(secret, Secret)  # the profile names it as one
        secret.refresh()  # a file's may have changed since the last token
        return entra.ClientSecretCredential(str(tenant), str(client), secret.reveal(), authority=where.authority)

    return open_application
