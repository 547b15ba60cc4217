"""Token counts: of Converse in the body, of InvokeModel in headers or in the model's own body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.shared.reading import counted, integer, mapping

__all__ = ["read_header_usage", "read_usage", "searches"]

_INPUT_HEADER = "x-amzn-bedrock-input-token-count"
_OUTPUT_HEADER = "x-amzn-bedrock-output-token-count"
_SEARCH_TOOL = "nova_grounding"


def searches(tool_use: Any) -> bool:
    """Whether a `toolUse` is one that AWS ran itself, to search the web, which has a fee."""
    call = mapping(tool_use)
    return call.get("type") == "server_tool_use" and call.get("name") == _SEARCH_TOOL


def read_usage(raw: Any, terms: Mapping[str, Any] | None = None, *, searched: int = 0) -> Usage | None:
    """Usage in our convention, None if `raw` is no object.

    The vendor's `inputTokens` leave out what the cache held or took; ours contain both. `terms` is what stands beside
    the counts: the tier and the speed that were served decide the price, so they join `Usage.raw`. `searched` is how
    often the model searched the web.
    """
    if not isinstance(raw, Mapping):
        return None
    fresh = integer(raw.get("inputTokens"))
    cache_read, cache_write = _either(raw, "cacheReadInputToken"), _either(raw, "cacheWriteInputToken")
    return Usage(
        input_tokens=None if fresh is None else fresh + (cache_read or 0) + (cache_write or 0),
        output_tokens=integer(raw.get("outputTokens")),
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=_written_for_an_hour(raw.get("cacheDetails")),
        extras=counted(web_search=searched),
        raw={**raw, **_price_terms(terms or {})},
    )


def _either(raw: Mapping[str, Any], stem: str) -> int | None:
    # Converse and Nova's own format name them apart, and some answers have both.
    found = integer(raw.get(f"{stem}s"))
    return integer(raw.get(f"{stem}Count")) if found is None else found


def _written_for_an_hour(details: Any) -> int | None:
    if not isinstance(details, list):
        return None
    counts = [integer(one.get("inputTokens")) for one in details if isinstance(one, Mapping) and one.get("ttl") == "1h"]
    return sum(count for count in counts if count is not None)


def _price_terms(terms: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "service_tier": mapping(terms.get("serviceTier")).get("type"),
        "speed": mapping(terms.get("performanceConfig")).get("latency"),
    }
    return {key: value for key, value in found.items() if isinstance(value, str)}


def read_header_usage(headers: Mapping[str, str], fallback: Any = None) -> Usage | None:
    """Usage by the headers of an InvokeModel answer; `fallback` is the body's count of input tokens, if it has one."""
    input_tokens = _count(headers.get(_INPUT_HEADER))
    input_tokens = integer(fallback) if input_tokens is None else input_tokens
    output_tokens = _count(headers.get(_OUTPUT_HEADER))
    if input_tokens is None and output_tokens is None:
        return None
    raw = {name: headers[name] for name in (_INPUT_HEADER, _OUTPUT_HEADER) if headers.get(name)}
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, raw=raw or {"inputTextTokenCount": fallback})


def _count(text: str | None) -> int | None:
    return int(text) if text and len(text) < 16 and text.isascii() and text.isdigit() else None
