"""Every price that the two source books have is carried into ours, or is listed here with the reason why it is not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.pricing.sources import build, genai, litellm_map

pytest.importorskip("genai_prices")
pytest.importorskip("litellm")

NO_PRICES = {
    "max_input_tokens", "max_output_tokens", "max_tokens", "output_vector_size", "prompt_cache_min_tokens",
    "rpm", "token_count_framing", "tpm",
}  # fmt: skip
"""Numbers of LiteLLM's map that are limits and sizes."""

IMAGES = "an image has its price per piece; chats count its tokens, and embeddings here are of texts"
FILM = "film and sound by the second: chats count tokens, and embeddings here are of texts"
CHARACTERS = "of retired models that were billed by the character; the price per token stands beside it"

LITELLM: Mapping[str, str] = {
    "code_interpreter_cost_per_session": "a container outlives the answer, and no usage says when one began",
    "cost_per_second": "provisioned throughput is bought by the month, whatever is sent to it",
    "input_cost_per_second": "provisioned throughput is bought by the month, whatever is sent to it",
    "input_cost_per_audio_per_second": FILM,
    "input_cost_per_audio_per_second_above_128k_tokens": FILM,
    "input_cost_per_character": CHARACTERS,
    "input_cost_per_character_above_128k_tokens": CHARACTERS,
    "input_cost_per_image": IMAGES,
    "input_cost_per_image_above_128k_tokens": IMAGES,
    "input_cost_per_token_cache_hit": "the figure of cache_read_input_token_cost under an older name",
    "input_cost_per_video_per_second": FILM,
    "input_cost_per_video_per_second_above_128k_tokens": FILM,
    "input_cost_per_video_per_second_above_15s_interval": FILM,
    "input_cost_per_video_per_second_above_8s_interval": FILM,
    "input_dbu_cost_per_token": "Databricks' own unit; dollars stand beside it",
    "output_dbu_cost_per_token": "Databricks' own unit; dollars stand beside it",
    "output_cost_per_character": CHARACTERS,
    "output_cost_per_character_above_128k_tokens": CHARACTERS,
    "output_cost_per_image": "an image in an answer is counted in tokens, whose price stands beside it",
    "provider_specific_entry.fast": "genai-prices has the prices of fast mode one by one",
    "search_free_requests.count": "what is left of a free allowance no answer says; costs are list prices",
}

GENAI: Mapping[str, str] = {
    "audio_hours": "the figure of input_audio_hours; models that do nothing but hear are none of our tasks",
    "input_annotated_document_kpages": "reading documents page by page is none of our tasks",
    "input_document_kpages": "reading documents page by page is none of our tasks",
    "input_mchars": "speaking is none of our tasks",
    "input_text_messages_kcount": "live conversation is none of our tasks",
}


def numbers(path: str, value: Any) -> Iterator[str]:
    """Names of all numbers in an entry; `a.b` is inside `a`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(path, inner) if isinstance(inner, dict) else ()
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield path


def litellm_entries() -> list[Mapping[str, Any]]:
    """What the map has for our tasks."""
    return list(filter(litellm_map.for_our_tasks, litellm_map.read_map(litellm_map.map_path()).values()))


def litellm_keys() -> Counter[str]:
    """Every number in the map for our tasks, and how often it is there."""
    return Counter(name for entry in litellm_entries() for name in numbers("", entry)) - Counter(
        dict.fromkeys(NO_PRICES, 10**6)
    )


def genai_keys() -> Counter[str]:
    """Every price in the package, and how often it is there."""
    found = Counter[str]()
    for _, model in genai.models():
        priced = model.prices if isinstance(model.prices, list) else [model]
        for one in (*priced, *(model.price_variants or ())):
            found.update(key for key, value in vars(one.prices).items() if value is not None)
    return found


@pytest.mark.parametrize(
    ("found", "carried", "reasons"),
    [(litellm_keys, litellm_map.carried, LITELLM), (genai_keys, genai.carried, GENAI)],
    ids=["litellm", "genai-prices"],
)
def test_every_price_is_carried_or_has_a_reason(found: Any, carried: Any, reasons: Mapping[str, str]) -> None:
    """A price that a newer package brings is named here by failing; a reason that is no more needed, too."""
    keys = found()
    assert {key for key in keys if not carried(key)} - reasons.keys() == set(), "new prices"
    assert reasons.keys() - keys.keys() == set(), "reasons without a price"
    assert {key for key in reasons if carried(key)} == set(), "reasons for what is carried"


def test_older_names_have_the_same_figures() -> None:
    """What is left out as a second name of a figure is that figure."""
    for entry in litellm_entries():
        hit = entry.get("input_cost_per_token_cache_hit")
        assert hit is None or hit == entry.get("cache_read_input_token_cost", hit)
    for _, model in genai.models():
        for one in model.prices if isinstance(model.prices, list) else [model]:
            hours = getattr(one.prices, "input_audio_hours", None)
            assert hours is None or hours == one.prices.audio_hours


def test_fast_mode_is_priced_by_the_other_source() -> None:
    """Each model that LiteLLM has a factor for in fast mode has its prices there, and they are that factor higher."""
    rows = genai.rows()
    compared = 0
    for vendor, model, entry in litellm_map.entries(litellm_map.read_map(litellm_map.map_path())):
        factor = entry.get("provider_specific_entry", {}).get("fast")
        if factor and vendor == "anthropic":
            row = rows[f"{vendor}/{model}"]
            ((_, fast),) = row["variants"]["speed-fast"]
            assert Decimal(fast["input"]) == Decimal(row["input"]) * factor
            compared += 1
    assert compared


def test_every_correction_still_has_what_it_corrects() -> None:
    """A correction whose place in the source is gone would be left out in silence: then it is to be looked at again."""
    corrections = json.loads(Path(build.__file__).with_name("corrections.json").read_bytes())["rows"]
    rows = build.compile_book("2026-11-23")["rows"]
    assert corrections
    assert all(rows[one["model"]].get("source") == "corrections" for one in corrections)
