"""Credentials and how a request is signed with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from orchestrator.spec.transport import HttpRequest

__all__ = ["HeaderSigner", "Secret", "Signer"]


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
