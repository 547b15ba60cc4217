"""The log line: one flat JSON object per call, keys in snake_case, money as exact decimal numbers.

`KEYS` is the published list of `llm.call`, in the order written. A key whose value is unknown is `null`, never left
out, so that a reader's column map never changes under it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from orchestrator.spec.events import CallEvent, Event, NoticeEvent
from orchestrator.types.call import Attempt
from orchestrator.types.usage import Usage

__all__ = ["KEYS", "SCHEMA", "TERMS", "line", "timestamp"]

SCHEMA = 1
"""Version of the line's shape. Keys may be added under the same version; none changes its meaning."""

KEYS = (
    "ts", "event", "schema", "call_id", "trace_id", "config_hash", "route", "task", "status", "error_type",
    "deployment", "provider", "region", "request_model", "response_model", "response_id", "request_id",
    "tenant", "user", "tags", "stream",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "search_units",
    "cache_write_1h_tokens", "input_audio_tokens", "input_image_tokens", "output_audio_tokens",
    "usage_source", "items", "dimensions", "price_asked", "price_terms", "price_factor", "priced_at",
    "cost_usd", "cost", "cost_unknown", "cost_estimated", "price_row", "price_book", "budgets",
    "duration_ms", "first_token_ms", "queue_ms", "wait_ms",
    "finish_reason", "cache_hit", "attempts",
)  # fmt: skip

TERMS = frozenset({
    "billed_units", "citation_tokens", "inference_geo", "is_byok", "iterations", "num_search_queries",
    "num_sources_used", "prompt_audio_seconds", "search_context_size", "server_tool_use", "server_tool_use_details",
    "serviceTier", "service_tier", "speed", "trafficType", "traffic_type",
})  # fmt: skip
"""Keys of a vendor's usage that pricing reads: service tiers, regions, tools run by the vendor. No content."""

_NO_USAGE = Usage()


def line(event: Event) -> dict[str, Any]:
    """The event as a mapping of JSON values, `Decimal`s included (as `orjson.Fragment`, digits untouched)."""
    return _call(event) if isinstance(event, CallEvent) else _notice(event)


def _notice(event: NoticeEvent) -> dict[str, Any]:
    return {"ts": timestamp(event.time), "event": event.name, "schema": SCHEMA, "message": event.message} | dict(
        event.details
    )


def _call(event: CallEvent) -> dict[str, Any]:
    last = event.attempts[-1] if event.attempts else None
    usage = event.usage or _NO_USAGE
    cost = event.cost
    context = event.context
    timings = event.timings
    return {
        "ts": timestamp(event.time),
        "event": "llm.call",
        "schema": SCHEMA,
        "call_id": event.call_id,
        "trace_id": context.trace_id,
        "config_hash": event.config_hash,
        "route": event.route,
        "task": event.task,
        "status": event.status,
        "error_type": type(event.error).__name__ if event.error else None,
        "deployment": last.deployment if last else None,
        "provider": last.provider if last else None,
        "region": event.region,
        "request_model": last.model if last else None,
        "response_model": event.response_model,
        "response_id": event.response_id,
        "request_id": last.request_id if last else None,
        "tenant": context.tenant,
        "user": context.user,
        "tags": dict(context.tags),
        "stream": event.stream,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "search_units": usage.search_units,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "input_image_tokens": usage.input_image_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
        "usage_source": usage.source if event.usage else None,
        "items": event.items,
        "dimensions": event.dimensions,
        "price_asked": last.cost.asked if last and last.cost else None,
        "price_terms": _terms(usage),
        "price_factor": _money(last.cost.factor) if last and last.cost else None,
        "priced_at": timestamp(last.ended) if last and last.ended is not None else None,
        "cost_usd": _money(cost.total),
        "cost": {name: _money(amount) for name, amount in cost.buckets.items()},
        "cost_unknown": cost.unknown,
        "cost_estimated": cost.estimated,
        "price_row": cost.price_row,
        "price_book": cost.price_book,
        "budgets": _budgets(last) if last else None,
        "duration_ms": _ms(timings.duration_ms),
        "first_token_ms": _ms(timings.first_token_ms),
        "queue_ms": _ms(timings.queue_ms),
        "wait_ms": _ms(timings.wait_ms),
        "finish_reason": event.finish_reason,
        "cache_hit": False,
        "attempts": [_attempt(attempt) for attempt in event.attempts] if len(event.attempts) > 1 else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage or _NO_USAGE
    return {
        "deployment": attempt.deployment,
        "provider": attempt.provider,
        "model": attempt.model,
        "error": attempt.error,
        "status": attempt.status,
        "duration_ms": _ms(attempt.duration_ms),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "search_units": usage.search_units,
        "reasoning_tokens": usage.reasoning_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "input_image_tokens": usage.input_image_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
        "usage_source": usage.source if attempt.usage else None,
        "response_model": attempt.served,
        "price_asked": attempt.cost.asked if attempt.cost else None,
        "price_terms": _terms(usage),
        "price_factor": _money(attempt.cost.factor) if attempt.cost else None,
        "priced_at": timestamp(attempt.ended) if attempt.ended is not None else None,
        "cost_unknown": attempt.cost.unknown if attempt.cost else None,
        "cost_usd": _money(attempt.cost.total) if attempt.cost else None,
        "price_row": attempt.cost.price_row if attempt.cost else None,
        "budgets": _budgets(attempt),
        "maybe_billed": attempt.maybe_billed,
        "repair": attempt.repair,
        "request_id": attempt.request_id,
    }


def _terms(usage: Usage) -> dict[str, Any] | None:
    """Of the vendor's own usage, what decides the price beyond the counts."""
    raw = usage.raw
    terms = {name: raw[name] for name in raw if name in TERMS} if raw and not TERMS.isdisjoint(raw) else None
    return {**(terms or {}), "extras": dict(usage.extras)} if usage.extras else terms


def _budgets(attempt: Attempt) -> list[dict[str, Any]] | None:
    return [
        {
            "budget": one.budget,
            "per": one.per,
            "whose": one.whose,
            "window": one.window,
            "period": one.period,
            "limit_usd": _money(one.limit_usd),
        }
        for one in attempt.budgets
    ] or None


def timestamp(seconds: float) -> str:
    """UTC, to the millisecond."""
    whole, thousandths = divmod(round(seconds * 1e6) // 1000, 1000)
    return f"{_second(whole)}.{thousandths:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _money(amount: Decimal | None) -> orjson.Fragment | None:
    # orjson refuses Decimal, and a float would round: the Decimal's own digits are valid JSON.
    return orjson.Fragment(format(amount, "f")) if amount is not None and amount.is_finite() else None
