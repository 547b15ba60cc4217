"""Attributes that other libraries' values have: asking for one is an error that names ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NoReturn

__all__ = ["Elsewhere"]


class Elsewhere:
    """Base of values whose like exist elsewhere under other names. Type checkers do not see what it does."""

    __slots__ = ()
    _elsewhere: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            hint = type(self)._elsewhere.get(name)
            told = f"; {hint}" if hint else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{told}", name=name, obj=self)
