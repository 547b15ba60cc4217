"""What a vendor itself says an answer cost.

| vendor | where | form |
| --- | --- | --- |
| OpenRouter | `usage.cost`, with `is_byok` and `cost_details.upstream_inference_cost` | USD; with a key of one's own \
`cost` is OpenRouter's fee alone, and the other vendor's bill is the upstream cost |
| Perplexity | `usage.cost.total_cost` | USD |
| xAI | `usage.cost_in_usd_ticks` | 1 USD is 10^10 ticks |

Sources: openrouter.ai/docs (usage accounting, BYOK), docs.perplexity.ai (sonar chat completions), docs.x.ai (cost
tracking). Other servers that put something called `cost` into their usage are not believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any

from orchestrator.types.usage import Cost, Usage

__all__ = ["ROW", "stated_cost", "states_cost"]

ROW = "vendor"
"""The `price_row` of a cost that the vendor stated."""

_EXACT = Context(prec=60)
_TICKS_EXPONENT = -10


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    found = Decimal(repr(value))  # repr: the digits that the vendor wrote
    return found if found.is_finite() and found >= 0 else None


def _openrouter(raw: Mapping[str, Any]) -> dict[str, Decimal] | None:
    cost = _amount(raw.get("cost"))
    if cost is None:
        return None
    if not raw.get("is_byok"):
        return {"stated": cost}
    details = raw.get("cost_details")
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    return None if upstream is None else {"stated": cost, "upstream": upstream}


def _perplexity(raw: Mapping[str, Any]) -> dict[str, Decimal] | None:
    cost = raw.get("cost")
    total = _amount(cost.get("total_cost")) if isinstance(cost, Mapping) else None
    return None if total is None else {"stated": total}


def _xai(raw: Mapping[str, Any]) -> dict[str, Decimal] | None:
    ticks = _amount(raw.get("cost_in_usd_ticks"))
    return None if ticks is None else {"stated": ticks.scaleb(_TICKS_EXPONENT)}


_READERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Decimal] | None]] = {
    "openrouter": _openrouter,
    "perplexity": _perplexity,
    "x-ai": _xai,
}


def states_cost(vendor: str) -> bool:
    """Whether answers of this vendor, an id of the price book, may state what they cost."""
    return vendor in _READERS


def stated_cost(vendor: str, usage: Usage) -> Cost | None:
    """The cost that the vendor's usage states, None if it states none. `vendor` is an id of the price book.

    Buckets are `stated` and, with a key of one's own at OpenRouter, `upstream`: what the other vendor bills for it.
    """
    reader = _READERS.get(vendor)
    if reader is None or not usage.raw or usage.source != "vendor":
        return None
    buckets = reader(usage.raw)
    if buckets is None:
        return None
    total = Decimal(0)
    for amount in buckets.values():
        total = _EXACT.add(total, amount)
    return Cost(total=total, buckets=buckets, price_row=ROW)
