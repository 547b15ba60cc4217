"""What a call cost, all attempts together."""

from __future__ import annotations

from decimal import Decimal, localcontext

from orchestrator.policies.account import total_cost
from orchestrator.types.call import Attempt
from orchestrator.types.usage import Cost


def attempt(cost):
    return Attempt(number=1, deployment="d", provider="p", model="m", duration_ms=1.0, cost=cost)


def priced(amount, row="openai/x", **more):
    return Cost(total=Decimal(amount), buckets={"input": Decimal(amount)}, price_row=row, price_book="book", **more)


def test_nothing_paid_is_nought():
    """No attempt, or attempts that cost nothing, is exactly zero dollars, not unknown."""
    assert total_cost([]) == Cost(total=Decimal(0))
    assert total_cost([attempt(None), attempt(None)]).total == Decimal(0)


def test_one_cost_is_passed_on():
    """The usual case keeps the attempt's own cost as it is."""
    cost = priced("0.1")
    assert total_cost([attempt(None), attempt(cost)]) is cost


def test_paid_failures_count():
    """Attempts add up bucket by bucket, and the row named is that of the last."""
    first = Cost(total=Decimal(3), buckets={"input": Decimal(1), "output": Decimal(2)}, price_row="a/x")
    cost = total_cost([attempt(first), attempt(priced("0.5", "b/y"))])
    assert cost.total == Decimal("3.5")
    assert cost.buckets == {"input": Decimal("1.5"), "output": Decimal(2)}
    assert (cost.price_row, cost.price_book, cost.unknown) == ("b/y", "book", None)


def test_one_unknown_makes_all_unknown():
    """A sum with an unknown part is no sum: the reason is kept, and so are the buckets and the row that are known."""
    cost = total_cost([attempt(priced("0.5")), attempt(Cost(unknown="no price for x"))])
    assert cost.total is None
    assert cost.unknown == "no price for x"
    assert cost.buckets == {"input": Decimal("0.5")}
    assert cost.price_row == "openai/x"


def test_estimates_show():
    """One estimated attempt marks the whole."""
    assert total_cost([attempt(priced("1", estimated=True)), attempt(priced("1"))]).estimated
    assert not total_cost([attempt(priced("1")), attempt(priced("1"))]).estimated


def test_exact_whatever_the_application_set():
    """An application that computes with three digits still gets our money to the last one."""
    with localcontext() as context:
        context.prec = 3
        cost = total_cost([attempt(priced("1234567.00000032")), attempt(priced("0.00000001"))])
    assert cost.total == Decimal("1234567.00000033")
    assert cost.buckets["input"] == cost.total
