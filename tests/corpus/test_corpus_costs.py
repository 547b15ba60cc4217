"""Costs of recorded exchanges: ours against genai-prices' own calculation over the same bytes.

Where the two differ, `cost_agreement.yaml` has a class with the reason, and here is proven that it is the only one.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from calls import answers, decode, provider, stream_frames, task
from reading import Exchange

from orchestrator.config import load_mapping
from orchestrator.errors import OrchestratorError
from orchestrator.pricing import bundled
from orchestrator.registry import find
from orchestrator.spec.provider import Wire
from orchestrator.tariffs import tariff
from orchestrator.types.usage import Cost

genai = pytest.importorskip("genai_prices", reason="genai-prices is not installed")

pytestmark = [
    pytest.mark.skipif("WIRE_CORPUS" not in os.environ, reason="WIRE_CORPUS is unset"),
    pytest.mark.skipif(
        bundled().sources[0]["version"] != version("genai-prices"),
        reason="the book is made from another version of genai-prices",
    ),
]

LISTED = yaml.safe_load(Path(__file__).with_name("cost_agreement.yaml").read_text(encoding="utf-8"))
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

FLAVORS: Mapping[str, tuple[str, ...]] = {
    "bedrock-invoke-anthropic": ("anthropic",),
    "cohere-v1-embed": ("embeddings",),
    "cohere-v2-embed": ("embeddings",),
    "openai-chat": ("chat", "default"),
    "openai-embeddings": ("embeddings", "chat"),
    "openai-responses": ("responses", "default"),
}
"""Names of genai-prices for the form of a reply, by dialect; where it has none of these, its default."""

COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}
"""Their names for the counts that the vendor's SDK read, for replies whose form genai-prices does not read."""


_PLACES = ("message", "response", "delta", "x_groq", "metadata")
"""Where the events of a stream keep what whole replies have at their top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One exchange, priced twice. `theirs` is None where genai-prices refuses to calculate: `error` says why."""

    exchange: Exchange
    provider: Any
    model: Any
    context: Mapping[str, str]
    usage: Any
    raw: Mapping[str, Any]
    ours: Cost
    theirs: Decimal | None = None
    error: str = ""

    @property
    def equal(self) -> bool:
        """Both name the same figure."""
        return self.theirs is not None and self.ours.total == self.theirs


def told(exchange: Exchange) -> dict[str, Any]:
    """The reply as one object: a whole one as it is, of a stream the last word on each count, model and tier."""
    if exchange.outcome == "json":
        body = json.loads(exchange.body)
        return {"usage": body["meta"], **body} if "meta" in body else body  # Cohere's first API
    found: dict[str, Any] = {}
    for _, data in stream_frames(exchange):
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            continue
        if isinstance(chunk, dict):
            for part in (chunk, *map(chunk.get, _PLACES)):
                take(found, part if isinstance(part, dict) else {})
    return found


def take(found: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add what a part of a stream says of usage, model and service tier."""
    if "meta" in part:
        part = {"usage": part["meta"], **part}
    for key in ("usage", "usageMetadata"):
        if isinstance(part.get(key), dict):
            before = {} if "promptTokenCount" in part[key] else found.get(key, {})  # Google's are of all so far
            found[key] = {**before, **{name: one for name, one in part[key].items() if one is not None}}
    for key in ("model", "modelVersion", "service_tier"):
        if isinstance(part.get(key), str):
            found[key] = part[key]


def their_usage(seller: Any, exchange: Exchange, body: Mapping[str, Any]) -> tuple[str | None, Any]:
    """Model and usage as genai-prices extracts them, or as the vendor's SDK counted where it does not know the form."""
    known = [one.api_flavor for one in seller.extractors or ()]
    flavor = next((one for one in FLAVORS.get(exchange.dialect, ()) if one in known), "default")
    try:
        return seller.extract_usage(body, api_flavor=flavor)
    except ValueError:
        counts = exchange.truth.get("usage") or {}
        if counts.get("input_tokens") is None is counts.get("output_tokens"):  # Voyage has one number
            counts = {"input_tokens": counts.get("total")}
        found = {key: counts[name] for name, key in COUNTS.items() if counts.get(name) is not None}
        if exchange.truth.get("search_units"):
            found["rerank_searches"] = exchange.truth["search_units"]
        return exchange.truth.get("model"), genai.Usage(**found) if found else None


def context(body: Mapping[str, Any]) -> dict[str, str]:
    """What decides the price beside the counts, as genai-prices wants to be told it."""
    usage = body.get("usage")
    places = (body, usage if isinstance(usage, dict) else {})
    return {key: place[key] for key in ("service_tier", "speed") for place in places if isinstance(place.get(key), str)}


def our_cost(exchange: Exchange, seller: str) -> Cost | None:
    """What the exchange costs by a file that names kind and model, and the seller where the kind does not tell it.

    None if the vendor has sent no usage.
    """
    given = provider(exchange)
    kind = find(given["kind"])
    assert isinstance(kind, Wire)
    if kind.profile.prices is None or kind.profile.kind in {"huggingface", "openai_responses", "openai_compatible"}:
        given["priced_as"] = seller  # Hugging Face passes calls on, and each of its sellers has prices of its own
    if kind.profile.key_required and kind.signer is None:
        given["api_key"] = {"env": "KEY"}
    file = {
        "version": 1,
        "prices": {"vendor_cost": False},
        "providers": {"p": given},
        "deployments": {"d": {"provider": "p", "model": exchange.model or "m"}},
        "routes": {"r": {"task": task(exchange), "pick": "d"}},
    }
    config = load_mapping(file, environ={"KEY": "none"})
    result = decode(exchange)
    if result.usage is None:
        return None
    cost = tariff(config.providers["p"], config.deployments["d"], kind, config.prices)
    return cost(result.usage, getattr(result, "model", None), NOON)


@cache
def everything() -> tuple[tuple[Compared, ...], Counter[str]]:
    """All exchanges that both can price, and how many there are of the others, by what stands in the way."""
    found: list[Compared] = []
    left_out: Counter[str] = Counter()
    for exchange in answers():
        one = compare(exchange)
        if isinstance(one, str):
            left_out[one] += 1
        else:
            found.append(one)
    return tuple(found), left_out


def compare(exchange: Exchange) -> Compared | str:
    """One exchange priced twice, or why it cannot be."""
    snapshot = genai.data_snapshot.get_snapshot()
    try:
        seller = snapshot.find_provider(None, None, exchange.url)
    except LookupError:
        return "no seller there"
    try:
        ours = our_cost(exchange, seller.id)
    except OrchestratorError:
        return "no answer"
    body = told(exchange)
    name, usage = their_usage(seller, exchange, body)
    if ours is None or usage is None:
        return "no usage"
    asked = [one for one in (name, exchange.model) if one]
    model = next((one for ref in asked if (one := seller.find_model(ref, all_providers=snapshot.providers))), None)
    if model is None:
        return "no model in either" if ours.price_row is None else "no model there"
    if ours.price_row is None:
        return "no model here"
    raw = body.get("usage") or {}
    here = Compared(
        exchange=exchange, provider=seller, model=model, context=context(body), usage=usage, raw=raw, ours=ours
    )
    try:
        return replace(here, theirs=calculated(here, usage))
    except ValueError as refused:
        return replace(here, error=str(refused))


def calculated(one: Compared, usage: Any) -> Decimal:
    """What genai-prices makes of some usage of an exchange."""
    found = one.model.calc_price(usage, one.provider, genai_request_timestamp=NOON, price_context=one.context)
    return Decimal(found.total_price)


def fits(one: Compared, listed: Mapping[str, Any]) -> bool:
    """Whether a difference is of a class: the same seller and models, the same answers of both, and nothing left of it
    once what the class names is put right.
    """
    return (
        one.provider.id == listed["provider"]
        and one.model.id in listed["models"]
        and (one.ours.unknown or "figure") == listed["ours"]
        and (one.error or "figure").startswith(listed["theirs"])
        and (listed["ours"] != "figure" or put_right(one, listed) == one.ours.total)
    )


def put_right(one: Compared, listed: Mapping[str, Any]) -> Decimal | None:
    """Their figure with what they do not know: counts under other names, fees, tokens with a price of their own."""
    counts = dict(one.usage.__dict__)
    counts |= {name: one.raw.get(path) for name, path in listed.get("counts", {}).items()}
    added = Decimal(0)
    for bucket, count in listed.get("apart", {}).items():
        if bucket not in one.ours.buckets:
            return None
        added += one.ours.buckets[bucket]
        if count:
            counts["input_tokens"] -= counts.pop(count)
    if "served" in listed:
        return one.ours.total if one.ours.price_row == listed["served"] else None
    fee = one.model.get_prices(NOON).requests_kcount if listed.get("their_fee") else None
    times = Decimal(listed.get("times", 1))
    return calculated(one, genai.Usage(**counts)) * times + added - (fee or Decimal(0)) / 1000


def summary(one: Compared) -> str:
    """One difference, for a person to look at."""
    ours, theirs = one.ours.total or one.ours.unknown, one.theirs or one.error
    return f"{one.exchange.id}: {one.provider.id}/{one.model.id}: {ours} here, {theirs} there"


def test_costs_are_those_of_genai_prices_or_the_difference_is_explained() -> None:
    """Of each exchange whose model both know, the figures are the same, or differ by what one listed class says."""
    different = [one for one in everything()[0] if not one.equal]
    assert [summary(one) for one in different if sum(fits(one, listed) for listed in LISTED["differences"]) != 1] == []


def test_the_list_is_neither_longer_nor_shorter_than_the_differences() -> None:
    """Over the exchanges that the list was made from, each class holds as many as it says, and none is spare."""
    found, left_out = everything()
    if len(found) + left_out.total() != LISTED["answers"]:
        pytest.skip("other exchanges than the list was made from")
    different = [one for one in found if not one.equal]
    counted = [sum(fits(one, listed) for one in different) for listed in LISTED["differences"]]
    assert counted == [listed["exchanges"] for listed in LISTED["differences"]]
    assert dict(left_out) == LISTED["not_compared"]
    models = {(one.provider.id, one.model.id) for one in found}
    assert (len(found), len(found) - len(different), len(models)) == tuple(LISTED["compared"].values())
