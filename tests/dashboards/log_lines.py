"""Log lines as the library writes them, and the ways in which a log goes wrong."""

from __future__ import annotations

import random
from decimal import Decimal

import orjson

from orchestrator.spec.events import CallContext, CallEvent
from orchestrator.telemetry.lines import line
from orchestrator.types.call import Attempt, Charged, Timings
from orchestrator.types.usage import Cost, Usage

START = 1_780_000_000.0


def attempt(number, deployment, *, error=None, usage=None, cost=None, repair=False, budgets=()):
    """An attempt at a deployment, whose model is named like it."""
    return Attempt(
        number=number, deployment=deployment, provider=deployment[0], model=f"m-{deployment}", duration_ms=5.0,
        error=error, usage=usage, cost=cost, repair=repair, ended=START, budgets=budgets,
    )  # fmt: skip


def rendered(event):
    """The bytes of an event's line."""
    return orjson.dumps(line(event), default=str)


def plain_call(attempts, cost):
    """A call that ended well, with these attempts."""
    return CallEvent(
        time=START, call_id="c", config_hash="h", route="answer", task="chat", context=CallContext(), stream=False,
        timings=Timings(duration_ms=1.0), attempts=attempts, usage=attempts[-1].usage, cost=cost,
    )  # fmt: skip


def call(i, dice):
    """A call: mostly one attempt, sometimes several, sometimes unpriced, estimated, failed or refused."""
    attempts = tuple(_attempts(dice))
    failed = bool(attempts) and attempts[-1].error is not None
    cost = _total(attempts)
    usage = attempts[-1].usage if attempts else None
    return CallEvent(
        time=START + i * dice.choice([0.001, 7, 4000]), call_id=f"id{i}" if attempts else "", config_hash="h",
        route=dice.choice(["answer", "search", 'od"d']), task="chat",
        context=CallContext(
            tenant=dice.choice(["acme", "zoë", "", None, "o'neil"]), user=dice.choice([None, "u"]),
            tags=dice.choice([{}, {"team": "a"}, {"team": "b", "x/y~z": "ü"}, {"cost_usd": "5"}]),
        ),
        stream=False, attempts=attempts, usage=usage, cost=cost, items=dice.choice([None, 3]),
        timings=Timings(duration_ms=dice.choice([0.0, 1.2345, 99.95, 1234.5, dice.random() * 1e5]),
                        first_token_ms=dice.choice([None, dice.random() * 1e3])),
        status="error" if failed or not attempts else "ok",
    )  # fmt: skip


BUDGETS = (
    Charged("All", "all", "", "month", "2026-05", Decimal(500)),
    Charged("Each", "tenant", "acme", "day", "2026-05-28", Decimal("0.5")),
    Charged("Each", "tenant", "o'neil", "day", "2026-05-28", Decimal("0.5")),
)


def _attempts(dice):
    count = dice.choice([0, 1, 1, 1, 1, 2, 3])
    for number in range(1, count + 1):
        usage, cost = _used(dice)
        error = "ServerError" if number < count or dice.random() < 0.1 else None
        repair = dice.random() < 0.2
        budgets = tuple(dice.sample(BUDGETS, dice.randrange(len(BUDGETS) + 1)))
        yield attempt(
            number, dice.choice(["a", "b"]), error=error, usage=usage, cost=cost, repair=repair, budgets=budgets
        )


def _used(dice):
    kind = dice.choice(["free", "priced", "priced", "priced", "unpriced"])
    if kind == "free":
        return None, None
    usage = Usage(
        input_tokens=dice.randrange(10_000), output_tokens=dice.choice([None, 7]),
        cache_read_tokens=dice.choice([None, 5]),
        search_units=dice.choice([None, 1.0, 0.5]), source=dice.choice(["vendor", "estimate"]),
    )  # fmt: skip
    if kind == "unpriced":
        return usage, Cost(unknown=dice.choice(["no price for it", None]))
    digits = dice.choice([0, 1, 6, 12, 20, 24])
    return usage, Cost(total=Decimal(dice.randrange(10 ** (digits + 1))).scaleb(-digits), price_row="openai/gpt-4o")


def _total(attempts):
    costs = [one.cost for one in attempts if one.cost is not None]
    unknown = [cost for cost in costs if cost.total is None]
    if unknown:
        return Cost(unknown=unknown[0].unknown)
    return Cost(total=sum((cost.total for cost in costs), Decimal(0)), price_row="openai/gpt-4o" if costs else None)


FAULTS = (
    b'{"ts":"2026-11-01T00:00:00.000Z","event":"llm.call","schema":1,"call_id":"cut","rou',
    b'{"ts":"2026-11-01T00:00:00.000Z","event":"llm.call","schema":1,"call_id":"cut","tags":{"a":"b"}',
    b"Traceback (most recent call last):",
    b"[1, 2]", b'"text"', b"null", b"{}", b'{"ts":"x","event":5,"schema":1}', b'{"event":"llm.call","schema":1}',
    b'{"ts":"2026-11-01T00:00:00.000Z","event":"llm.config.reloaded","schema":1,"message":"m"}',
    b'{"ts":"2026-11-01T00:00:00.000Z","event":"llm.call","schema":2,"call_id":"new","attempts":null}',
    b'{"ts":"2026-11-01T00:00:00.000Z","event":"llm.call","schema":1,"call_id":"few","attempts":null}',
    b"   ", b"\t{} ",
)  # fmt: skip


def log(seed, count, *, faulty=True):
    """Lines of a log, some of them faults, some written twice."""
    dice = random.Random(seed)
    lines = []
    for i in range(count):
        lines.append(rendered(call(i, dice)))
        if faulty and dice.random() < 0.2:
            lines.append(dice.choice([*FAULTS, lines[0], lines[-1], lines[-1][: len(lines[-1]) // 2]]))
    return lines
