"""Compares two models, fact by fact. Pure but for the clock that dates prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from orchestrator.cli.diff.sides import Side, Sides
from orchestrator.config import RouteConfig
from orchestrator.config.requirements import Served, lacks
from orchestrator.errors import InvalidRequest
from orchestrator.models import MEDIA_TYPES
from orchestrator.policies.capabilities import fit_for
from orchestrator.tasks import TASKS
from orchestrator.types.chat import ChatRequest
from orchestrator.types.retrieval import EmbedRequest
from orchestrator.types.usage import Usage

__all__ = ["Comparison", "Effect", "RouteCheck", "Row", "compare"]

Effect = Literal["same", "lost", "gained", "less", "more", "changed", "unknown"]
"""What the move does: `unknown` where one of the two is not known."""

_FEATURES: Mapping[str, str] = {
    "tools": "tools",
    "parallel_tools": "several tools at once",
    "forced_tools": "a tool can be forced",
    "json_schema": "output schema",
}
_LIMITS: Mapping[str, str] = {
    "context_tokens": "context, tokens",
    "max_input_tokens": "longest input, tokens",
    "max_output_tokens": "longest answer, tokens",
}
_TERMS = ("region", "retention", "trains")
_BUCKETS: Mapping[str, Usage] = {
    "input": Usage(input_tokens=1000, output_tokens=0),
    "output": Usage(input_tokens=0, output_tokens=1000),
    "cache_read": Usage(input_tokens=1000, output_tokens=0, cache_read_tokens=1000),
    "cache_write": Usage(input_tokens=1000, output_tokens=0, cache_write_tokens=1000),
    "search_unit": Usage(search_units=1000),
}
_PRICE = "USD per million tokens"
_CALL = Usage(input_tokens=1000, output_tokens=300)
_TEXT = Usage(input_tokens=1000, output_tokens=0)


@dataclass(frozen=True, slots=True)
class Row:
    """One fact of both models; `a` and `b` as values of JSON."""

    group: str
    what: str
    a: Any
    b: Any
    effect: Effect
    note: str = ""


@dataclass(frozen=True, slots=True)
class RouteCheck:
    """Whether a route could move: what B lacks of its requirements, and what becomes of its defaults there."""

    name: str
    lacks: tuple[str, ...]
    defaults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All facts of two models, and the route if one was named."""

    a: Side
    b: Side
    rows: tuple[Row, ...]
    route: RouteCheck | None = None
    warnings: tuple[str, ...] = field(default=())


def compare(sides: Sides, now: datetime | None = None) -> Comparison:
    """Every fact that is known of either."""
    now = now or datetime.now(UTC)
    a, b = sides.a, sides.b
    rows = [
        *_features(a, b),
        *_media(a, b),
        *_limits(a, b),
        *_reasoning(a, b),
        *_vectors(a, b),
        *_terms(a, b),
        *_prices(a, b, now),
    ]
    route = _route(sides.route_name, sides.route, b) if sides.route_name and sides.route else None
    return Comparison(a, b, tuple(rows), route, tuple(_warnings(a, b, now.date())))


def _either(a: Any, b: Any) -> bool:
    return a is not None or b is not None


def _flag(group: str, what: str, a: bool | None, b: bool | None) -> Row:
    effect: Effect = "same" if a == b else "lost" if a else "gained"
    return Row(group, what, a, b, "unknown" if a is None or b is None else effect)


def _features(a: Side, b: Side) -> Iterator[Row]:
    for name, what in _FEATURES.items():
        one, other = getattr(a.known, name), getattr(b.known, name)
        if _either(one, other):
            yield _flag("features", what, one, other)


def _media(a: Side, b: Side) -> Iterator[Row]:
    for word, media_type in sorted(MEDIA_TYPES.items()):
        one, other = (None if side.known.media is None else media_type in side.known.media for side in (a, b))
        if one or other:
            yield _flag("media", f"reads {word}", one, other)


def _amount(group: str, what: str, a: Any, b: Any) -> Row:
    if a is None or b is None:
        return Row(group, what, a, b, "unknown")
    return Row(group, what, a, b, "same" if a == b else "more" if b > a else "less")


def _limits(a: Side, b: Side) -> Iterator[Row]:
    for name, what in _LIMITS.items():
        one, other = getattr(a.known, name), getattr(b.known, name)
        if _either(one, other):
            yield _amount("limits", what, one, other)
    one, other = a.known.retires_on, b.known.retires_on
    if _either(one, other):
        yield Row("limits", "retires on", _iso(one), _iso(other), "same" if one == other else "changed")


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _reasoning(a: Side, b: Side) -> Iterator[Row]:
    one, other = a.known.reasoning, b.known.reasoning
    if _either(one, other):
        effect: Effect = "same" if one == other else "changed"
        if one and other and "none" in {one, other} and one != other:
            effect = "lost" if other == "none" else "gained"
        yield Row("reasoning", "how it reasons", one, other, "unknown" if None in {one, other} else effect)
    if a.known.efforts or b.known.efforts:
        yield _words("reasoning", "efforts", a.known.efforts, b.known.efforts)
    for name, what in (("refuses", "settings refused"), ("refuses_when_reasoning", "refused while it reasons")):
        refused, then = sorted(getattr(a.known, name)), sorted(getattr(b.known, name))
        if refused or then:
            yield _words("settings", what, refused, then)


def _words(group: str, what: str, a: Any, b: Any) -> Row:
    return Row(group, what, list(a), list(b), "same" if list(a) == list(b) else "changed")


def _vectors(a: Side, b: Side) -> Iterator[Row]:
    if not (a.known.dimensions or b.known.dimensions or a.known.space or b.known.space):
        return
    yield _amount("vectors", "dimensions", a.space[1], b.space[1])
    comparable = a.space == b.space
    note = "" if comparable else "vectors are not comparable: everything must be embedded again"
    effect: Effect = "same" if comparable else "changed"
    yield Row("vectors", "vector space", a.space[0], b.space[0], effect, note)


def _terms(a: Side, b: Side) -> Iterator[Row]:
    for name in _TERMS:
        one, other = getattr(a.provider, name), getattr(b.provider, name)
        if _either(one, other):
            yield Row("terms", name, one, other, "same" if one == other else "changed")


def _prices(a: Side, b: Side, now: datetime) -> Iterator[Row]:
    for bucket, usage in _BUCKETS.items():
        one, other = _rate(a, bucket, usage, now), _rate(b, bucket, usage, now)
        if _either(one, other):
            unit = "search unit, thousand" if bucket == "search_unit" else bucket.replace("_", " ")
            yield _amount(_PRICE, unit, one, other)
    yield _typical(a, b, now)


def _typical(a: Side, b: Side, now: datetime) -> Row:
    embeds = a.known.dimensions or b.known.dimensions
    usage = _TEXT if embeds else _CALL
    one, other = a.cost(usage, None, now), b.cost(usage, None, now)
    unknown = [f"{side.name}: {cost.unknown}" for side, cost in ((a, one), (b, other)) if cost.unknown]
    what = f"1,000 {'texts' if embeds else 'calls'}"
    note = "; ".join(unknown) or f"of 1,000 tokens{'' if embeds else ' in, 300 out'}"
    if not unknown and (ratio := _ratio(one.total, other.total)):
        note += f": {ratio}"
    row = _amount(_PRICE, what, _thousand(one.total), _thousand(other.total))
    return Row(row.group, row.what, row.a, row.b, row.effect, note)


def _rate(side: Side, bucket: str, usage: Usage, now: datetime) -> Decimal | None:
    """Dollars per million (searches: per thousand); None if this bucket has no price of its own."""
    buckets = side.cost(usage, None, now).buckets
    amount = buckets.get(bucket)
    return None if amount is None else amount if bucket == "search_unit" else amount * 1000


def _thousand(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount * 1000


def _ratio(a: Decimal | None, b: Decimal | None) -> str:
    if not a or not b or a == b:
        return ""
    return f"{b / a:.1f} times the price" if b > a else f"{(1 - b / a):.0%} cheaper"


def _route(name: str, route: RouteConfig, b: Side) -> RouteCheck:
    served = Served(b.deployment.model, b.known, b.kind.profile, b.deployment.provider, b.provider.region)
    missing = [] if route.task in b.kind.profile.tasks else [f"kind {b.kind.profile.kind!r} cannot {route.task}"]
    return RouteCheck(name, (*missing, *lacks(route.require, served)), tuple(_defaults(route, b)))


def _defaults(route: RouteConfig, b: Side) -> Iterator[str]:
    """What becomes of the route's defaults at B."""
    empty = TASKS[route.task].no_options
    given = route.defaults.model_dump(exclude_none=True)
    options = type(empty)(**{key: value for key, value in given.items() if hasattr(empty, key)})
    fit: Callable[[Any], Any] | None = fit_for(
        route.task, b.known, model=b.deployment.model, strict=False, estimate=lambda _request: 0
    )
    if fit is None or route.task == "rerank":
        return
    request: Any = EmbedRequest(texts=(), options=options)
    if route.task == "chat":
        request = ChatRequest(messages=(), options=options)
    try:
        _, warnings = fit(request)
    except InvalidRequest as refusal:
        yield refusal.message
        return
    for warning in warnings:
        strict = warning.kind == "unsupported" and route.unsupported == "error"
        yield f"{warning.setting}: {warning.message}" + ("; calls fail (unsupported: error)" if strict else "")


def _warnings(a: Side, b: Side, today: date) -> Iterator[str]:
    for side in (a, b):
        day = side.known.retires_on
        if day is not None and day <= today:
            yield f"{side.name} was retired by its vendor on {day}"
        if not side.known.family and not side.deployment.profile:
            yield f"little is known of {side.name}; state it under `profile:` of a deployment"
