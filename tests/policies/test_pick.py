"""Rules that pick by load, speed, price, key or condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import pytest

from orchestrator.policies.pick import Case, Cheapest, Conditional, Fastest, LeastBusy, Sticky
from orchestrator.policies.route import Ordered
from orchestrator.spec.events import CallContext
from orchestrator.spec.routing import Chooser, Health, TokenMix
from orchestrator.types.usage import Usage

NOBODY = CallContext()


@dataclass
class Deployment:
    name: str
    health: Health = field(default_factory=Health)


def some(names: str) -> list[Deployment]:
    return [Deployment(name) for name in names]


def firsts(chooser: Chooser, *, draws: int = 2_000, now: float = 0.0, context: CallContext = NOBODY) -> Counter[str]:
    """How often each pick came first."""
    random = Random(7)
    return Counter(chooser.order(random.random, context, now)[0].name for _ in range(draws))


def names(chooser: Chooser, context: CallContext = NOBODY, *, draw: Callable[[], float] = lambda: 0.0) -> str:
    return "".join(candidate.name for candidate in chooser.order(draw, context, 0.0))


def test_least_busy_comes_first() -> None:
    """The fewest attempts in flight win, the others follow by the same measure, then the fallbacks whatever theirs."""
    a, b, c, d = some("abcd")
    for deployment, busy in ((a, 3), (b, 1), (c, 2)):
        for _ in range(busy):
            deployment.health.begin()
    chooser = LeastBusy([a, b, c], [d])
    assert {names(chooser, draw=lambda draw=draw: draw) for draw in (0.0, 0.5, 0.99)} == {"bcad"}
    b.health.begin()
    b.health.begin()
    assert names(chooser)[0] == "c"


def test_equally_busy_share() -> None:
    """Idle deployments get equal parts."""
    counts = firsts(LeastBusy(some("abcd"), []))
    assert all(abs(counts[name] - 500) < 4 * (2_000 * 0.25 * 0.75) ** 0.5 for name in "abcd")


def test_fastest_prefers_the_quick() -> None:
    """Of two, the quicker one is always asked first; of three, the slowest never."""
    a, b, c = some("abc")
    for deployment, seconds in ((a, 1.0), (b, 0.2), (c, 3.0)):
        deployment.health.measured(seconds, 0.0)
    assert firsts(Fastest([a, b], [])) == {"b": 2_000}
    counts = firsts(Fastest([a, b, c], []))
    assert counts["c"] == 0
    assert counts["b"] > counts["a"] > 0  # two are drawn: not everybody goes to the same one


def test_fastest_counts_who_waits_there() -> None:
    """A quick deployment with many calls in flight comes behind an idle one that is not much slower."""
    a, b = some("ab")
    a.health.measured(0.2, 0.0)
    b.health.measured(0.5, 0.0)
    for _ in range(3):
        a.health.begin()
    assert firsts(Fastest([a, b], [])) == {"b": 2_000}


def test_fastest_explores() -> None:
    """A deployment that was never asked comes before every measured one it is drawn with."""
    a, b = some("ab")
    a.health.measured(0.01, 0.0)
    assert firsts(Fastest([a, b], [])) == {"b": 2_000}


def test_fastest_forgets() -> None:
    """A deployment that was slow minutes ago is asked again, and one good answer after another rehabilitates it."""
    a, b = some("ab")
    chooser = Fastest([a, b], [])
    b.health.measured(5.0, 0.0)
    a.health.measured(1.0, 0.0)
    assert firsts(chooser) == {"a": 2_000}
    a.health.measured(1.0, 120.0)
    assert firsts(chooser, now=120.0) == {"b": 2_000}
    for second in range(20):
        b.health.measured(0.3, 120.0 + second)
    a.health.measured(1.0, 140.0)
    assert firsts(chooser, now=140.0) == {"b": 2_000}


def test_fastest_orders_everybody_once() -> None:
    """Whatever is drawn, every pick is in the order once, and the fallbacks last."""
    picks, then = some("abcde"), some("z")
    random = Random(3)
    for _ in range(500):
        order = names(Fastest(picks, then), draw=random.random)
        assert sorted(order[:-1]) == list("abcde")
        assert order[-1] == "z"
    assert names(Fastest(picks[:1], then)) == "az"


PRICES = {"a": (Decimal(1), Decimal(10)), "b": (Decimal(4), Decimal(5)), "c": None}


def price(candidate: object, mix: TokenMix) -> Decimal | None:
    """Dollars of the average call, per million tokens."""
    known = PRICES[candidate.name]  # type: ignore[attr-defined]
    usage = mix.usage()
    return known and known[0] * (usage.input_tokens or 0) + known[1] * (usage.output_tokens or 0)


def test_cheapest_follows_the_routes_mix() -> None:
    """Much input and short answers make one model the cheaper, long answers the other."""
    mix = TokenMix()
    chooser = Cheapest(some("abc"), some("z"), mix, price)
    assert names(chooser) == "abcz"
    for _ in range(50):
        mix.add(Usage(input_tokens=100, output_tokens=2_000))
    assert names(chooser) == "abcz"  # not worked out anew within ten seconds
    assert "".join(one.name for one in chooser.order(Random(1).random, NOBODY, 10.0)) == "bacz"


def test_unknown_prices_come_last() -> None:
    """A pick without a known price is no bargain; a free one is."""
    mix = TokenMix()
    assert names(Cheapest(some("cab"), [], mix, price)) == "abc"
    free = Cheapest(some("ca"), [], mix, lambda candidate, _: Decimal(0) if candidate.name == "a" else None)
    assert names(free) == "ac"


def keyed(key: str = "tenant", count: int = 3, weights: list[float] | None = None) -> Sticky:
    picks = some("abcdefgh"[:count])
    return Sticky(Ordered(picks, []), key, picks, weights or [], some("z"))


def test_same_key_same_pick() -> None:
    """A key decides, not chance and not the process: two choosers agree on every key."""
    for number in range(200):
        context = CallContext(tenant=f"t{number}")
        orders = {names(chooser, context, draw=draw) for chooser in (keyed(), keyed()) for draw in (Random(1).random,)}
        assert len(orders) == 1


def test_keys_spread() -> None:
    """Many keys share the picks evenly, and by weight where there are weights."""
    for weights, shares in (([], [1 / 3] * 3), ([8.0, 1.0, 1.0], [0.8, 0.1, 0.1])):
        chooser = keyed(weights=weights)
        counts = Counter(names(chooser, CallContext(tenant=f"t{i}"))[0] for i in range(6_000))
        for name, share in zip("abc", shares, strict=True):
            assert abs(counts[name] - 6_000 * share) < 4 * (6_000 * share * (1 - share)) ** 0.5


def test_few_keys_move() -> None:
    """When a pick goes only its own keys move, and they all come back with it."""
    before, after = keyed(count=4), keyed(count=3)
    for number in range(1_000):
        context = CallContext(tenant=f"t{number}")
        first, second = names(before, context)[0], names(after, context)[0]
        assert first in (second, "d")


@pytest.mark.parametrize(
    ("key", "context"),
    [
        ("tenant", CallContext(tenant="x")),
        ("user", CallContext(user="x")),
        ("tags.session", CallContext(tags={"session": "x"})),
    ],
)
def test_what_a_key_may_be(key: str, context: CallContext) -> None:
    """Tenant, user or a tag; the same value gives the same pick whichever it is."""
    assert names(keyed(key), context) == names(keyed(), CallContext(tenant="x"))


def test_calls_without_the_key_follow_the_rule_underneath() -> None:
    """No tenant, no stickiness."""
    chooser = keyed()
    assert names(chooser) == "abc"
    assert {names(chooser, CallContext(user=str(i))) for i in range(20)} == {"abc"}


def case(first: str, *, tenants: str = "", **tags: str) -> Case:
    wanted = {name: frozenset(values.split()) for name, values in tags.items()}
    return Case(frozenset(tenants.split()), wanted, Ordered(some(first), []))


@pytest.mark.parametrize(
    ("context", "chosen"),
    [
        (CallContext(tenant="gold"), "a"),
        (CallContext(tenant="gold", tags={"lang": "de"}), "a"),  # the first case that holds
        (CallContext(tags={"lang": "de"}), "b"),
        (CallContext(tags={"lang": "fr"}), "b"),
        (CallContext(tags={"lang": "en"}), "z"),
        (CallContext(tenant="silver", tags={"lang": "it", "size": "xl"}), "c"),
        (CallContext(tenant="silver", tags={"size": "xl"}), "z"),  # one condition of two
        (CallContext(tenant="iron", tags={"lang": "it", "size": "xl"}), "z"),
        (CallContext(), "z"),
    ],
)
def test_cases_decide_in_order(context: CallContext, chosen: str) -> None:
    """All conditions of a case must hold, any of their values will do, the first such case decides, else the rule."""
    cases = [case("a", tenants="gold"), case("b", lang="de fr"), case("c", tenants="silver tin", lang="it", size="xl")]
    assert names(Conditional(cases, Ordered(some("z"), [])), context) == chosen
