"""Proves who is asking: a Bedrock API key, or AWS credentials and a signature (SigV4)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Protocol

from orchestrator.errors import AuthenticationFailed, ConfigError
from orchestrator.spec.auth import Grant, HeaderSigner, Secret, Signer
from orchestrator.spec.transport import HttpRequest
from orchestrator_providers.bedrock.profile import region_of
from orchestrator_providers.bedrock.sigv4 import Credential, RequestSigner

__all__ = ["AwsSigner", "ChainSource", "CredentialSource", "StaticSource", "make_signer"]

_NO_BOTOCORE = "kind 'bedrock' finds AWS credentials with botocore: pip install 'model-orchestrator[bedrock]'"


class CredentialSource(Protocol):
    """Where credentials come from."""

    def ready(self, *, ahead: bool = True) -> Credential | None:
        """The credential, None if there is none, it has ended or, with `ahead`, ends soon. Never blocks."""
        ...

    def fetch(self) -> Credential:
        """A credential in force. May block."""
        ...

    def refresh(self) -> bool:
        """Forget what is known (after a refusal); True if another one may come of it."""
        ...


def make_signer(grant: Grant) -> Signer:
    """See `Wire.signer`. An API key is sent as it is, and so is an `authorization` among the file's own headers, for a
    gateway before AWS; without either requests are signed.

    Raises:
        ConfigError: no region, half a static credential, or botocore is needed and not installed.
    """
    if grant.secret is not None or "authorization" in grant.headers:
        return HeaderSigner(grant.headers, secret=grant.secret, header="authorization", prefix="Bearer ")
    return AwsSigner(grant, _source(grant), region_of(grant.settings))


def _source(grant: Grant) -> CredentialSource:
    settings = grant.settings
    key_id, key = settings.get("access_key_id"), settings.get("secret_access_key")
    if key_id is not None and key is not None:
        return StaticSource(key_id, key, settings.get("session_token"))
    if key_id is not None or key is not None or settings.get("session_token") is not None:
        raise ConfigError("a static AWS credential needs both access_key_id and secret_access_key")
    if find_spec("botocore") is None:
        raise ConfigError(_NO_BOTOCORE)
    profile = settings.get("profile")
    return ChainSource(lambda: _open_chain(profile), grant.time)


class AwsSigner:
    """Signs with SigV4. Credentials that expire are fetched again ahead of their end, in a thread."""

    __slots__ = ("_base", "_credential", "_lock", "_signer", "_source")

    def __init__(self, grant: Grant, source: CredentialSource, region: str) -> None:
        self._base = dict(grant.headers)
        self._source = source
        self._signer = RequestSigner(region, "bedrock", grant.time)
        self._credential = source.ready()
        self._lock = threading.Lock()

    async def prepare(self) -> None:
        """See `RenewingSigner.prepare`."""
        ready = self._source.ready()
        if ready is not None:
            self._credential = ready
            return
        if self._lock.locked() and self._source.ready(ahead=False) is not None:
            return  # another call sees to it, and this one's credential is still good
        await asyncio.to_thread(self._fetch)

    def _fetch(self) -> None:
        with self._lock:
            self._credential = self._source.ready() or self._source.fetch()

    def sign(self, request: HttpRequest) -> Mapping[str, str]:
        """See `Signer.sign`."""
        credential = self._credential
        if credential is None:
            raise AuthenticationFailed("there are no AWS credentials yet")
        return self._signer.sign(request, {**self._base, **request.headers}, credential)

    def refresh(self) -> bool:
        """See `Signer.refresh`."""
        if not self._source.refresh():
            return False
        # Other threads may be about to sign: they go on with what was refused, and fail as it did.
        self._credential = self._source.ready() or self._credential
        return True


class StaticSource:
    """Keys that the file refers to."""

    __slots__ = ("_credential", "_secrets")

    def __init__(self, key_id: Secret, key: Secret, token: Secret | None) -> None:
        self._secrets = (key_id, key, token)
        self._credential = self._read()

    def _read(self) -> Credential:
        key_id, key, token = self._secrets
        return Credential(key_id.reveal(), key.reveal(), token.reveal() if token else None)

    def ready(self, *, ahead: bool = True) -> Credential | None:
        """See `CredentialSource.ready`."""
        return self._credential

    def fetch(self) -> Credential:
        """See `CredentialSource.fetch`."""
        return self._credential

    def refresh(self) -> bool:
        """See `CredentialSource.refresh`. All are read, for keys change together."""
        changed = [secret.refresh() for secret in self._secrets if secret is not None]
        if any(changed):
            self._credential = self._read()
        return any(changed)


class ChainSource:
    """What botocore finds: environment, files, SSO, roles, the machine's own metadata service.

    `open_chain` gives botocore's credentials object, or None where there is nothing to be found; `time` is in seconds.
    """

    _FRESH_S = 60.0

    __slots__ = ("_chain", "_fetched_at", "_known", "_open_chain", "_time")

    def __init__(self, open_chain: Callable[[], Any], time: Callable[[], float]) -> None:
        self._open_chain = open_chain
        self._time = time
        self._fetched_at = 0.0
        self._chain: Any = None
        self._known: Credential | None = None

    def ready(self, *, ahead: bool = True) -> Credential | None:
        """See `CredentialSource.ready`. Credentials that expire say themselves when they should be renewed."""
        ends = getattr(self._chain, "refresh_needed", None)
        ended = ends is not None and (ends() if ahead else ends(0))
        return None if ended else self._known

    def fetch(self) -> Credential:
        """See `CredentialSource.fetch`."""
        try:
            chain = self._chain or self._open_chain()
            frozen = chain.get_frozen_credentials() if chain is not None else None
        except Exception as error:  # noqa: BLE001 - whatever botocore raises, some of it with paths and commands in it
            raise AuthenticationFailed(f"AWS credentials could not be had: {type(error).__name__}") from None
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise AuthenticationFailed("no AWS credentials were found where botocore looks for them")
        self._known = Credential(frozen.access_key, frozen.secret_key, frozen.token)
        self._chain = chain
        self._fetched_at = self._time()
        return self._known

    def refresh(self) -> bool:
        """See `CredentialSource.refresh`. What was just fetched is not fetched again: the refusal has another reason,
        such as a model that the account has no access to.
        """
        if self._known is None or self._time() - self._fetched_at < self._FRESH_S:
            return False
        self._known = self._chain = None
        return True


def _open_chain(profile: str | None) -> Any:
    # Importing botocore takes a tenth of a second, and looking for credentials may ask the network.
    from botocore.session import Session  # noqa: PLC0415

    return Session(profile=profile).get_credentials()
