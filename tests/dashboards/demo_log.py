"""Thirty days of an imagined company's calls, seeded: an outage, a retry storm, a price change, an unpriced model."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

MODELS = {
    "gpt-main": ("openai", "gpt-4.1", "2", "8", 5),
    "gpt-mini": ("openai", "gpt-4o-mini", "0.15", "0.6", 14),
    "sonnet": ("claude", "claude-sonnet-4-5", "3", "15", 4),
    "haiku": ("claude", "claude-haiku-4-5", "1", "5", 6),
    "flash": ("google", "gemini-2.5-flash", "0.3", "2.5", 6),
    "llama": ("ollama", "llama3.2", "0", "0", 2),
    "newcomer": ("labs", "newcomer-1-preview", None, None, 1),
}
"""Deployment: provider, model, dollars per million tokens in and out, weight."""

ROUTES = {"answer": ("chat", 6), "summarize": ("chat", 3), "extract": ("chat", 4)}
TENANTS = (
    "acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka", "tyrell", "cyberdyne", "soylent",
    "duff",
)  # fmt: skip
FEATURES = ("search", "support", "reports", "editor")
START = datetime(2026, 10, 25, tzinfo=UTC)
OUTAGE, STORM, CHEAPER = 11, 19, 22
"""Days after the start: OpenAI is away, everything is overloaded, gpt-4.1 costs a quarter less."""


def lines(days=30, per_day=160, seed=7, tenants=TENANTS):
    """Lines as the log writes them, parsed; `json_lines` makes text of them."""
    rng = random.Random(seed)
    return [_call(rng, day, number, tenants) for day in range(days) for number in range(_volume(rng, day, per_day))]


def json_lines(calls):
    """The lines as bytes, money by its own digits."""
    text = [json.dumps(call, default=lambda amount: f"§{amount:f}§", separators=(",", ":")) for call in calls]
    return "\n".join(line.replace('"\\u00a7', "").replace('\\u00a7"', "") for line in text).encode() + b"\n"


def _volume(rng, day, per_day):
    weekend = (START + timedelta(days=day)).weekday() >= 5
    return int(per_day * (0.35 if weekend else 1) * (1 + day / 60) * rng.uniform(0.85, 1.15))


def _call(rng, day, number, tenants):
    when = START + timedelta(days=day, hours=rng.triangular(5, 22, 14), seconds=rng.random() * 60)
    route = rng.choices(list(ROUTES), [weight for _, weight in ROUTES.values()])[0]
    first = rng.choices(list(MODELS), [weight for *_, weight in MODELS.values()])[0]
    attempts = _attempts(rng, day, first)
    last = attempts[-1]
    costs = [each["cost_usd"] for each in attempts]
    failed = last["error"] is not None
    duration = sum(each["duration_ms"] for each in attempts)
    stream = route == "answer"
    tenant = tenants[int(len(tenants) * rng.random() ** 1.7)]
    for each in attempts:
        each["budgets"] = budgets(when, tenant)
    return {
        "ts": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "event": "llm.call", "schema": 1,
        "call_id": f"c{day:02}-{number:05}", "route": route, "task": "chat",
        "status": "error" if failed else "ok", "error_type": last["error"],
        "deployment": last["deployment"], "provider": last["provider"], "request_model": last["model"],
        "tenant": tenant, "user": None,
        "tags": {"feature": rng.choice(FEATURES), "team": rng.choice(("web", "mobile"))}, "stream": stream,
        **{name: last[name] for name in TOKENS}, "reasoning_tokens": None, "usage_source": last["usage_source"],
        "cost_usd": None if None in costs else sum(costs, Decimal(0)),
        "cost_unknown": "no price for newcomer-1-preview" if None in costs else None, "cost_estimated": False,
        "price_row": last["price_row"], "price_book": "b", "budgets": last["budgets"],
        "duration_ms": round(duration, 3),
        "first_token_ms": round(duration * 0.2, 3) if stream and not failed else None,
        "attempts": attempts if len(attempts) > 1 else None,
    }  # fmt: skip


def budgets(when, tenant):
    """Those that count a call: the company's of the month, and each tenant's of the day."""
    company = {"budget": "Company", "per": "all", "whose": "", "window": "month", "period": f"{when:%Y-%m}"}
    each = {"budget": "Each tenant", "per": "tenant", "whose": tenant, "window": "day", "period": f"{when:%Y-%m-%d}"}
    return [company | {"limit_usd": 20}, each | {"limit_usd": Decimal("0.5")}]


TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def _attempts(rng, day, first):
    chance = 0.5 if day == STORM else 0.03
    others = [name for name in ("haiku", "flash", "sonnet") if name != first]
    attempts = []
    for number, deployment in enumerate([first, first, *others[:2]]):
        away = day == OUTAGE and MODELS[deployment][0] == "openai" and rng.random() < 0.9
        error = "ServerError" if away else rng.choice(ERRORS) if rng.random() < chance else None
        attempts.append(_attempt(rng, day, deployment, error))
        if error is None or number == 3:
            break
    return attempts


VENDORS = {"openai": "openai/", "claude": "anthropic/", "google": "google/"}
ERRORS = ("RateLimited", "RateLimited", "Overloaded", "CallTimeout", "StreamInterrupted")


def _attempt(rng, day, deployment, error):
    provider, model, price_in, price_out, _ = MODELS[deployment]
    billed = error in (None, "StreamInterrupted")
    tokens_in = int(rng.lognormvariate(7.5, 0.9)) if billed else None
    tokens_out = int(rng.lognormvariate(5.4, 0.8)) if billed else None
    warm = billed and provider in {"openai", "claude"} and rng.random() < 0.6
    cached = int(tokens_in * rng.uniform(0.3, 0.8)) if warm else 0
    factor = Decimal("0.75") if day >= CHEAPER and deployment == "gpt-main" else Decimal(1)
    cost = Decimal(0) if price_in is not None or not billed else None
    if billed and price_in is not None:
        rate_in, rate_out = (Decimal(price).scaleb(-6) * factor for price in (price_in, price_out))
        cost = (tokens_in - cached) * rate_in + cached * rate_in / 10 + tokens_out * rate_out
    slow = 4 if day == STORM else 1
    return {
        "deployment": deployment, "provider": provider, "model": model, "error": error, "status": 429 if error else 200,
        "duration_ms": round(rng.lognormvariate(7, 0.6) * slow, 3),
        "input_tokens": tokens_in, "output_tokens": tokens_out, "cache_read_tokens": cached if billed else None,
        "cache_write_tokens": cached // 5 if billed else None, "search_units": None,
        "usage_source": "vendor" if billed else None, "cost_usd": cost,
        "price_row": VENDORS.get(provider, "config#") + model if cost is not None and billed else None,
        "maybe_billed": False, "repair": False, "request_id": None,
    }  # fmt: skip
