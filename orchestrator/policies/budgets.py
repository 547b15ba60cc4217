"""Budgets: who pays for an attempt, how much it can cost at most, and what is told.

An attempt holds the most it can cost before it is sent, and settles what it did cost. A text has at most as many tokens
as its UTF-8 form has bytes, so that many are held at the dearest input price, and the output cap at the output price.
A learned average would leave more room and be exceeded by the first long answer, so it is not used.

What `provider_options` may add to a price (service tiers, searches run by the vendor) is settled but cannot be held.
Held money is not waited for: a call that does not fit is refused at once, and told when it is worth asking again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from orchestrator.errors import BudgetExceeded, OrchestratorError, Overloaded
from orchestrator.spec.budgets import NANO, BudgetStore, BudgetWindow, Charge, Hold, OnExceed, Refusal, nano_dollars
from orchestrator.spec.events import CallContext
from orchestrator.types.usage import Cost

__all__ = ["Budget", "Budgets", "Payer", "Rule", "Spending", "window"]

_LONGEST_S: Mapping[BudgetWindow, float] = {"call": 0.0, "hour": 3_600.0, "day": 90_000.0, "month": 2_682_000.0}
_SOON_S = 1.0
_MOST_TOLD = 10_000
_MOST_KEPT = 10_000

Notice = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One entry of `budgets`. `limit` is nano-dollars; `only` maps a scope to the values it holds for."""

    name: str
    per: str
    limit: int
    window: BudgetWindow
    on_exceed: OnExceed = "deny"
    alert_at: tuple[float, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def charge(self, whose: str, label: str, ends: float) -> Charge:
        """How attempts of one tenant, user or whoever has it meet it, in one window."""
        key = "\x1f".join((self.name, self.per, self.window, label, whose))
        capped, of_call = self.on_exceed != "warn", self.window == "call"
        return Charge(key, self.name, whose, self.limit, capped, ends, self.alert_at, of_call)


def window(kind: BudgetWindow, now: float, zone: ZoneInfo) -> tuple[str, float, float]:
    """Name of the calendar window around a Unix time, when it began and when it ends. A day may have 23 or 25 hours."""
    second = math.floor(now)  # a datetime would round up
    local = datetime.fromtimestamp(second, zone)
    if kind == "hour":
        begun = second - second % 60 - 60 * local.minute
        return str(begun), begun, begun + 3600
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if kind == "day":
        return midnight.date().isoformat(), midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    first = midnight.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return midnight.strftime("%Y-%m"), first.timestamp(), following.timestamp()


@dataclass(slots=True)
class Payer:
    """Whose an attempt is, and of which call."""

    context: CallContext
    route: str
    provider: str
    call_id: str = ""
    left_s: float = 0.0

    def name(self, scope: str) -> str:
        """The tenant, user, route, provider or tag value; empty where the call does not say."""
        match scope:
            case "tenant":
                return self.context.tenant or ""
            case "user":
                return self.context.user or ""
            case "route":
                return self.route
            case "provider":
                return self.provider
        return self.context.tags.get(scope.removeprefix("tags."), "")


class _Period:
    """A budget's charges in one window, kept: the same tenant asks again and again."""

    __slots__ = ("_budget", "_charges", "_label", "begins", "ends")

    def __init__(self, budget: Budget, now: float) -> None:
        self._label, self.begins, self.ends = window(budget.window, now, budget.zone)
        self._budget = budget
        self._charges: dict[str, Charge] = {}

    def charge(self, whose: str) -> Charge:
        known = self._charges.get(whose)
        if known is None:
            if len(self._charges) >= _MOST_KEPT:
                self._charges = {}
            known = self._charges[whose] = self._budget.charge(whose, self._label, self.ends)
        return known


class Rule:
    """A budget in force, and its newest window."""

    __slots__ = ("_period", "budget", "loose")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.loose = budget.on_exceed == "cheaper"
        self._period: _Period | None = None

    def charge(self, payer: Payer, now: float) -> Charge | None:
        """How an attempt by that caller meets it; None if it is not for them. Those without the tenant, user or tag
        that it goes by share one.
        """
        budget = self.budget
        for scope, values in budget.only.items():
            if payer.name(scope) not in values:
                return None
        whose = "" if budget.per == "all" else payer.name(budget.per)
        if budget.window == "call":
            return budget.charge(whose, payer.call_id, now + payer.left_s)
        period = self._period
        if period is None or not period.begins <= now < period.ends:
            period = self._period = _Period(budget, now)
        return period.charge(whose)


class Budgets:
    """The budgets in force. What was spent outlives `adopt`: it is kept by name until its window ends."""

    def __init__(self, now: Callable[[], float], notice: Notice) -> None:
        self.now = now
        self._rules: tuple[Rule, ...] = ()
        self.any = False
        """There are some."""
        self._places: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._notice = notice
        self._told: dict[str, float] = {}
        self._lock = Lock()

    @property
    def rules(self) -> tuple[Budget, ...]:
        """The budgets, as configured."""
        return tuple(rule.budget for rule in self._rules)

    def adopt(self, budgets: Iterable[Budget]) -> None:
        """Take these from now on."""
        self._rules = tuple(map(Rule, budgets))
        self._places = {}
        self.any = bool(self._rules)

    def at(self, route: str, provider: str) -> tuple[Rule, ...]:
        """Those that can be for attempts of that route at that provider."""
        known = self._places.get((route, provider))
        if known is None:
            place, all_of_them = {"route": route, "provider": provider}, self._rules
            known = tuple(rule for rule in all_of_them if _may_hold(rule.budget.only, place))
            if all_of_them is self._rules:  # not adopted anew meanwhile
                self._places[route, provider] = known
        return known

    def charges(self, rules: Iterable[Rule], payer: Payer, now: float, *, freely: bool = False) -> list[Charge]:
        """What an attempt is charged to. `freely`: budgets that only prefer cheaper models do not hold it up."""
        found = []
        for rule in rules:
            charge = rule.charge(payer, now)
            if charge is not None:
                found.append(replace(charge, capped=False) if freely and rule.loose else charge)
        return found

    def past(self, context: CallContext, route: str, provider: str, *, at: float, now: float) -> list[Charge]:
        """What an attempt at that time was charged to, as far as the window it fell into is not over."""
        payer = Payer(context, route, provider)
        rules = [rule for rule in self.at(route, provider) if rule.budget.window != "call"]
        found = [rule.charge(payer, at) for rule in rules]
        return [charge for charge in found if charge is not None and charge.ends > now]

    def earliest(self, now: float) -> float:
        """No window that is open now began before this Unix time."""
        return now - max([_LONGEST_S[rule.budget.window] for rule in self._rules], default=0.0)

    def yields(self, refusal: Refusal) -> bool:
        """Whether the budget that refused lets the cheapest candidate through all the same."""
        return any(rule.loose and rule.budget.name == refusal.charge.budget for rule in self._rules)

    def refused(self, refusal: Refusal, amount: int) -> OrchestratorError:
        """The error for an attempt of so many nano-dollars, which a budget has no room for; told to the log once per
        window.
        """
        charge, now = refusal.charge, self.now()
        if refusal.unknown:
            return Overloaded(
                f"not sent: what is left of budget {charge.budget!r} cannot be asked, its store does not answer",
                retry_after=_SOON_S,
            )
        self._tell_exceeded(charge)
        whose = f" of {charge.whose!r}" if charge.whose else ""
        why = f"budget {charge.budget!r}{whose} has no room for the most that this attempt can cost, {_usd(amount)}"
        wait: float | None = round(_SOON_S if refusal.soon else max(charge.ends - now, 0.0), 3)
        if amount > charge.limit:
            wait = None  # it will not fit into the next window either
            why += f": more than all of it, {_usd(charge.limit)}; a lower max_output_tokens bounds an answer"
        return BudgetExceeded(why, budget=charge.budget, resets_at=charge.ends, retry_after=wait)

    def spent(self, charge: Charge, before: int, after: int) -> None:
        """Tell of shares of a budget that were reached just now. The store calls it once per settlement."""
        reached = 0.0
        for share in charge.alerts:
            if before < share * charge.limit <= after:
                reached = share
        if reached:
            self._notice(
                "llm.budget.alert",
                f"budget {charge.budget!r} has reached {reached:.0%}",
                **_details(charge),
                share=reached,
                spent_usd=after / NANO,
            )
        if before < charge.limit <= after:
            self._tell_exceeded(charge)

    def unpriced(self, charge: Charge, deployment: str, why: str) -> None:
        """Money was spent that cannot be told."""
        if self._is_news(f"{charge.key}\x1f{deployment}", charge.ends):
            self._notice(
                "llm.budget.unpriced",
                f"deployment {deployment!r} has no known price, so budget {charge.budget!r} does not count all of it",
                **_details(charge),
                reason=why,
            )

    def _tell_exceeded(self, charge: Charge) -> None:
        if self._is_news(charge.key, charge.ends):
            self._notice("llm.budget.exceeded", f"budget {charge.budget!r} has no room left", **_details(charge))

    def _is_news(self, key: str, ends: float) -> bool:
        with self._lock:
            if key in self._told:
                return False
            if len(self._told) >= _MOST_TOLD:
                now = self.now()
                self._told = {known: end for known, end in self._told.items() if end > now}
            self._told[key] = ends
            return True


def _may_hold(only: Mapping[str, frozenset[str]], place: Mapping[str, str]) -> bool:
    return all(scope not in place or place[scope] in values for scope, values in only.items())


def _usd(amount: int) -> str:
    return f"${amount / NANO:.9f}".rstrip("0").rstrip(".")


def _details(charge: Charge) -> dict[str, object]:
    return {"budget": charge.budget, "whose": charge.whose, "limit_usd": charge.limit / NANO}


@dataclass(slots=True)
class Spending:
    """What one attempt holds, settled once."""

    budgets: Budgets
    store: BudgetStore
    hold: Hold
    deployment: str
    open: bool = True

    @property
    def charges(self) -> Sequence[Charge]:
        """The budgets that count it."""
        return self.hold.charges

    def settle(self, cost: Cost | None) -> None:
        """The attempt cost that much; None: nothing. An unknown cost is taken to be all that was held."""
        if cost is None or cost.total is not None:
            self._close(nano_dollars(cost.total) if cost and cost.total else 0)
            return
        self._close(self.hold.amount)
        for charge in self.hold.charges:
            self.budgets.unpriced(charge, self.deployment, cost.unknown or "unknown")

    def withdraw(self) -> None:
        """There was no attempt."""
        self._close(0)

    def _close(self, spent: int) -> None:
        was_open, self.open = self.open, False
        if was_open:
            self.store.settle(self.hold, spent)
