"""Values that are made with every call and read by few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, **options: Any) -> Any:
        """A `dataclass` that type checkers hold to be frozen, and nobody at run time.

        Freezing makes each field cost a call of `object.__setattr__`: a value of twenty fields takes 7 us instead of 3,
        and a call makes a dozen values.
        """
        return dataclass(unsafe_hash=frozen, **options)


__all__ = ["value"]
