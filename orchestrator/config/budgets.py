"""The key `budgets`: who may spend how much in which time, and what happens then."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema

from orchestrator.config import checks
from orchestrator.config.fields import FileModel, Text
from orchestrator.config.picking import Texts
from orchestrator.config.tree import nearest, shown
from orchestrator.spec.budgets import BudgetWindow, OnExceed

__all__ = ["BudgetConfig", "ForConfig"]

_SCOPES = ("all", "tenant", "user", "route", "provider")
_MOST_USD = 9_000_000
"""Nano-dollars of more would not fit the exact integers of a double."""


def _usd(value: Any) -> Decimal:
    usable = isinstance(value, str | int | float | Decimal) and not isinstance(value, bool)
    try:
        found = Decimal(str(value)) if usable else Decimal(0)
    except InvalidOperation:
        found = Decimal(0)
    if not found.is_finite() or not 0 < found <= _MOST_USD:
        raise ValueError(f"expected dollars, more than 0 and at most {_MOST_USD:,}, found {shown(value)}")
    return found


def _per(value: Any) -> str:
    found = checks.text(value)
    if found in _SCOPES or (found.startswith("tags.") and found.removeprefix("tags.").strip()):
        return found
    close = nearest(found, _SCOPES)
    raise ValueError(
        f"expected {', '.join(_SCOPES)} or tags.NAME, found {shown(value)}{close if 'did you mean' in close else ''}"
    )


def _shares(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list of shares such as [0.5, 0.8, 1], found {shown(value)}")
    found = [checks.number(share) for share in value]
    if not all(0 < share <= 1 for share in found):
        raise ValueError("expected shares of more than 0 and at most 1, such as 0.8")
    return tuple(sorted(set(found)))


def _timezone(value: Any) -> str:
    found = checks.text(value)
    try:
        ZoneInfo(found)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"no time zone {shown(value)}; expected a name such as UTC or Europe/Berlin") from None
    return found


class ForConfig(FileModel):
    """Which calls a budget is for; all conditions hold, of several values any will do."""

    tenant: Texts = Field(default=(), description="Tenants.")
    user: Texts = Field(default=(), description="Users.")
    route: Texts = Field(default=(), description="Routes.")
    provider: Texts = Field(default=(), description="Providers.")
    tags: dict[str, Texts] = Field(default_factory=dict, description="Values by tag.")


class BudgetConfig(FileModel):
    """Money that calls may spend in a window of time."""

    usd: Annotated[
        Decimal,
        BeforeValidator(_usd),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_USD}),
    ] = Field(description="Dollars per window.")
    window: BudgetWindow = Field(
        description="call (all attempts of one call), or the calendar's hour, day or month in `timezone`."
    )
    per: Annotated[str, BeforeValidator(_per), WithJsonSchema({"type": "string"})] = Field(
        default="all",
        description="Whose it is: all, or each tenant, user, route, provider or tags.NAME has its own. Calls without"
        " one share one.",
    )
    on_exceed: OnExceed = Field(
        default="deny",
        description="deny: an attempt that may cost more than is left is not made. cheaper: only the cheapest model of"
        " the route answers then. warn: a notice in the log.",
    )
    alert_at: Annotated[
        tuple[float, ...],
        BeforeValidator(_shares),
        WithJsonSchema({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}),
    ] = Field(default=(0.5, 0.8, 1.0), description="Shares of it at which a notice goes to the log.")
    only: ForConfig = Field(default=ForConfig(), alias="for", description="Which calls it is for; all by default.")
    name: Text = Field(default="", description="Keeps what was spent over a reload; made of per and window by default.")
    timezone: Annotated[str, BeforeValidator(_timezone), WithJsonSchema({"type": "string"})] = Field(
        default="UTC", description="Where hours, days and months begin."
    )
