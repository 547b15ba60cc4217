"""Credentials and how a request is signed with them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from orchestrator.errors import AuthenticationFailed, OrchestratorError
from orchestrator.spec.transport import HttpRequest

__all__ = ["Grant", "HeaderSigner", "RenewingSigner", "Secret", "Signer", "Token", "TokenSigner"]


class Secret:
    """A credential that does not show itself: masked in `repr`, `str` and formatting, refused by `pickle` and `copy`.

    `read` gives the present value. It is called again by `refresh`, for files that change and after a 401.
    """

    __slots__ = ("_read", "_value", "source")

    def __init__(self, read: Callable[[], str], *, source: str) -> None:
        self._read = read
        self._value = read()
        self.source = source

    def reveal(self) -> str:
        """The value itself. Only signers and engines call this."""
        return self._value

    def refresh(self) -> bool:
        """Read the source again; True if the value is another one."""
        value = self._read()
        changed = value != self._value
        self._value = value
        return changed

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied")


class Signer(Protocol):
    """Adds what proves who is asking. Pure but for the secret's own refresh; never logs, never raises the value."""

    def sign(self, request: HttpRequest) -> Mapping[str, str]:
        """All headers to send with the request: its own and the credential's."""
        ...

    def refresh(self) -> bool:
        """Read the credential again (after a 401); True if it changed, so that one more try makes sense."""
        ...


class RenewingSigner(Signer, Protocol):
    """A signer whose credential expires by the clock."""

    async def prepare(self) -> None:
        """See that `sign` has a credential in force; called before it, and returns at once while there is one.

        Raises:
            AuthenticationFailed: none could be had. Never with the credential in its text.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a provider's signer is made of.

    Attributes:
        headers: sent with every request, in lower case.
        secret: the provider's `api_key`, None if the file gives none.
        settings: the profile's own settings as the file gives them, and `region`.
        time: seconds since 1970.
    """

    headers: Mapping[str, str]
    secret: Secret | None
    settings: Mapping[str, Any]
    time: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and the second since 1970 at which it ends."""

    value: str = field(repr=False)
    expires_at: float


class TokenSigner:
    """Sends a token that a library fetches and that expires, as `Authorization: Bearer`.

    `fetch` may block: it runs in a thread, once at a time, ahead of the end of the token in force. Calls wait for it
    only while there is no token in force.
    """

    _AHEAD_S = 300.0

    __slots__ = ("_base", "_fetch", "_headers", "_lock", "_time", "_token")

    def __init__(self, grant: Grant, fetch: Callable[[], Token]) -> None:
        self._base = dict(grant.headers)
        self._time = grant.time
        self._fetch = fetch
        self._lock = threading.Lock()
        self._token = Token("", 0.0)
        self._headers: dict[str, str] = self._base

    async def prepare(self) -> None:
        """See `RenewingSigner.prepare`."""
        left_s = self._token.expires_at - self._time()
        if left_s > self._AHEAD_S:
            return
        if left_s > 0 and self._lock.locked():
            return  # another call sees to it, and this one's token is still good
        await asyncio.to_thread(self._renew)

    def _renew(self) -> None:
        with self._lock:
            left_s = self._token.expires_at - self._time()
            if left_s > self._AHEAD_S:
                return  # renewed while this call stood in line
            try:
                token = self._fetch()
            except OrchestratorError:
                if left_s <= 0:
                    raise
            except Exception as error:  # noqa: BLE001 - whatever the credential library raises
                if left_s <= 0:
                    name = type(error).__name__
                    raise AuthenticationFailed(f"no token could be had: {name}") from None
            else:
                self._headers = self._base | {"authorization": f"Bearer {token.value}"}
                self._token = token  # last: who sees it uses the headers without the lock

    def sign(self, request: HttpRequest) -> Mapping[str, str]:
        """See `Signer.sign`."""
        return {**self._headers, **request.headers} if request.headers else self._headers

    def refresh(self) -> bool:
        """See `Signer.refresh`. A refused token is thrown away once: the next call fetches another."""
        thrown_away = self._token.expires_at > 0
        self._token = Token("", 0.0)
        return thrown_away


class HeaderSigner:
    """Sends a static set of headers, and a secret in one more. The whole set is built once, not per call."""

    __slots__ = ("_base", "_header", "_headers", "_prefix", "_secret")

    def __init__(self, base: Mapping[str, str], *, secret: Secret | None, header: str, prefix: str) -> None:
        self._base = dict(base)
        self._secret = secret
        self._header = header
        self._prefix = prefix
        self._headers = self._build()

    def _build(self) -> dict[str, str]:
        if self._secret is None:
            return self._base
        return self._base | {self._header: self._prefix + self._secret.reveal()}

    def sign(self, request: HttpRequest) -> Mapping[str, str]:
        """See `Signer.sign`."""
        return {**self._headers, **request.headers} if request.headers else self._headers

    def refresh(self) -> bool:
        """See `Signer.refresh`."""
        if self._secret is None or not self._secret.refresh():
            return False
        self._headers = self._build()
        return True
