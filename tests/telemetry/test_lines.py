"""The log line: every key, every time, in order, with exact money."""

from __future__ import annotations

import json
from decimal import Decimal

import orjson
import pytest
from log_events import call

from orchestrator.errors import RateLimited
from orchestrator.spec.events import CallContext, NoticeEvent
from orchestrator.telemetry.lines import KEYS, SCHEMA, line
from orchestrator.types.call import Attempt, Charged, Timings
from orchestrator.types.usage import Cost, Usage


def written(event):
    return orjson.dumps(line(event)).decode()


def parsed(event):
    return json.loads(written(event), parse_float=Decimal)


def attempt(number, **more):
    values = {"deployment": f"d{number}", "provider": "p", "model": "m", "duration_ms": 1.23456}
    return Attempt(number=number, **(values | more))


FULL = call(
    context=CallContext(tenant="acme", user="u1", tags={"feature": "faq"}, trace_id="t" * 32),
    timings=Timings(duration_ms=12.3456, queue_ms=1.0004, wait_ms=2.0, first_token_ms=3.14159),
    attempts=(attempt(1, status=200, request_id="req_1"),),
    usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, cache_write_tokens=0, reasoning_tokens=2),
    cost=Cost(
        total=Decimal("3.2E-7"),
        buckets={"input": Decimal("2E-7"), "output": Decimal("1.2E-7")},
        price_row="openai/x",
        price_book="2026-11",
        estimated=True,
    ),
    region="eu",
    response_model="m-1",
    response_id="r1",
    finish_reason="stop",
    stream=True,
)


def test_full_line():
    """A call's line says what it was, who asked, what it used and cost, and how long it took."""
    assert parsed(FULL) == {
        "ts": "2023-11-14T22:13:20.250Z", "event": "llm.call", "schema": SCHEMA, "call_id": "c", "trace_id": "t" * 32,
        "config_hash": "h", "route": "answer", "task": "chat", "status": "ok", "error_type": None,
        "deployment": "d1", "provider": "p", "region": "eu", "request_model": "m", "response_model": "m-1",
        "response_id": "r1", "request_id": "req_1", "tenant": "acme", "user": "u1", "tags": {"feature": "faq"},
        "stream": True, "input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 4, "cache_write_tokens": 0,
        "reasoning_tokens": 2, "search_units": None, "cache_write_1h_tokens": None, "input_audio_tokens": None,
        "input_image_tokens": None, "output_audio_tokens": None, "usage_source": "vendor", "items": None,
        "dimensions": None, "price_asked": None, "price_terms": None, "price_factor": None, "priced_at": None,
        "cost_usd": Decimal("0.00000032"),
        "cost": {"input": Decimal("0.0000002"), "output": Decimal("0.00000012")},
        "cost_unknown": None, "cost_estimated": True, "price_row": "openai/x", "price_book": "2026-11", "budgets": None,
        "duration_ms": Decimal("12.346"), "first_token_ms": Decimal("3.142"), "queue_ms": Decimal("1.0"),
        "wait_ms": Decimal("2.0"), "finish_reason": "stop", "cache_hit": False, "attempts": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        call(),
        FULL,
        call(attempts=(attempt(1, error="ServerError"), attempt(2))),
        call(error=RateLimited("no"), status="error", cost=Cost(unknown="not sent"), task=None),
        call(task="embed", items=3, dimensions=8),
        call(status="abandoned", stream=True),
    ],
)
def test_every_key_every_time(event):
    """Whatever became of a call, its line has exactly the published keys, in the published order."""
    assert tuple(json.loads(written(event))) == KEYS


@pytest.mark.parametrize(
    ("amount", "digits"),
    [
        ("3.2E-7", "0.00000032"),
        ("0", "0"),
        ("0E-12", "0.000000000000"),
        ("1E+3", "1000"),
        ("0.1", "0.1"),
        ("123456789.123456789123456789", "123456789.123456789123456789"),
        ("1E-20", "0.00000000000000000001"),
    ],
)
def test_money_to_the_last_digit(amount, digits):
    """Money is a JSON number with the Decimal's own digits: no float, no exponent, no rounding."""
    text = written(call(cost=Cost(total=Decimal(amount), buckets={"input": Decimal(amount)})))
    assert f'"cost_usd":{digits},' in text
    assert f'"cost":{{"input":{digits}}}' in text


def test_money_that_is_no_number():
    """What is unknown or not finite is null, so that the line stays JSON."""
    for amount in (None, Decimal("NaN"), Decimal("Infinity")):
        assert parsed(call(cost=Cost(total=amount, unknown="why")))["cost_usd"] is None


def test_errors_by_class_only():
    """A failed call's line names the error's class; the message, which may hold a vendor's words, is not there."""
    text = written(call(error=RateLimited("vendor says xq7"), status="error", attempts=(attempt(1, status=429),)))
    assert json.loads(text)["error_type"] == "RateLimited"
    assert json.loads(text)["status"] == "error"
    assert "xq7" not in text


def test_several_attempts_are_listed():
    """More than one attempt: each with its deployment, tokens, money and error; the top of the line is the last's."""
    usage = Usage(input_tokens=7, output_tokens=1, search_units=2, source="estimate")
    lost = attempt(
        1, error="ServerError", status=500, usage=usage, cost=Cost(total=Decimal("1E-7"), price_row="a/b"),
        maybe_billed=True, request_id="r1",
    )  # fmt: skip
    found = parsed(call(attempts=(lost, attempt(2))))
    first, second = found["attempts"]
    expected = {
        "deployment": "d1", "provider": "p", "model": "m", "error": "ServerError", "status": 500,
        "duration_ms": Decimal("1.235"), "input_tokens": 7, "output_tokens": 1, "usage_source": "estimate",
        "cost_usd": Decimal("0.0000001"), "price_row": "a/b", "maybe_billed": True, "request_id": "r1",
    }  # fmt: skip
    assert first | expected == first
    assert (second["error"], second["cost_usd"], second["input_tokens"]) == (None, None, None)
    assert list(first) == list(second)
    assert found["deployment"] == "d2"


def test_notices():
    """Notices are lines of their own event name with their details beside them."""
    event = NoticeEvent(time=0.0, name="llm.log.dropped", message="lost", details={"lines": 3})
    assert parsed(event) == {
        "ts": "1970-01-01T00:00:00.000Z", "event": "llm.log.dropped", "schema": SCHEMA, "message": "lost", "lines": 3,
    }  # fmt: skip


def test_the_discount_and_the_budgets_that_count_an_attempt():
    """A line says which part of the book's price was paid and what each budget was then, of each attempt too."""
    budget = Charged("Each", "tenant", "acme", "day", "2026-11-23", Decimal("0.50"))
    cost = Cost(total=Decimal("0.85"), factor=Decimal("0.85"), asked="openai/x")
    first, second = (attempt(number, cost=cost, budgets=(budget,)) for number in (1, 2))
    written_down = {
        "budget": "Each", "per": "tenant", "whose": "acme", "window": "day", "period": "2026-11-23",
        "limit_usd": Decimal("0.50"),
    }  # fmt: skip
    for found in (parsed(call(attempts=(first,))), parsed(call(attempts=(first, second)))["attempts"][0]):
        assert (found["price_factor"], found["budgets"]) == (Decimal("0.85"), [written_down])
