"""Token counts of the Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.openai.usage import inclusive_output, raw_usage
from orchestrator_providers.shared.reading import counted, integer, mapping

__all__ = ["read_usage"]

_PREVIEW = "web_search_preview"
_OWN_COUNTS = frozenset({"server_side_tool_usage_details", "tool_calls_details"})


def read_usage(body: Mapping[str, Any], items: Iterable[Any] | None = None) -> Usage | None:
    """Usage of a response, None where it says nothing. Its counts contain their parts, as ours do.

    `items` are its output items where a stream has told them; else those of the response.
    """
    raw = raw_usage(body)
    if raw is None:
        return None
    given = mapping(raw.get("input_tokens_details"))
    made = mapping(raw.get("output_tokens_details"))
    input_tokens, output_tokens = integer(raw.get("input_tokens")), integer(raw.get("output_tokens"))
    reasoning = integer(made.get("reasoning_tokens"))
    return Usage(
        input_tokens=input_tokens,
        output_tokens=inclusive_output(input_tokens, output_tokens, reasoning, integer(raw.get("total_tokens"))),
        cache_read_tokens=integer(given.get("cached_tokens")),
        cache_write_tokens=integer(given.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        input_audio_tokens=integer(given.get("audio_tokens")),
        input_image_tokens=integer(given.get("image_tokens")),
        output_audio_tokens=integer(made.get("audio_tokens")),
        extras=_tools_run(raw, body, items or body.get("output")),
        raw=raw,
    )


def _tools_run(raw: Mapping[str, Any], body: Mapping[str, Any], items: Any) -> dict[str, int] | None:
    own_count = not _OWN_COUNTS.isdisjoint(raw)
    return _counted_tools(raw) if own_count else _told_tools(items, _search(body))


def _counted_tools(raw: Mapping[str, Any]) -> dict[str, int] | None:
    """What the vendor's own tools did for a fee, where the usage says it: at xAI and Perplexity."""
    calls = mapping(raw.get("server_side_tool_usage_details"))
    searched = mapping(mapping(raw.get("tool_calls_details")).get("search_web"))
    return counted(
        web_search=calls.get("web_search_calls") or searched.get("invocation"),
        social_search=calls.get("x_search_calls"),
        file_search=calls.get("file_search_calls"),
        code_execution=calls.get("code_interpreter_calls"),
    )


def _told_tools(items: Any, search: str) -> dict[str, int] | None:
    """The same elsewhere: each call is an item of the output.

    Source: OpenAI's guide to web search, by which searches have a fee, and opening or reading a page they found none.
    """
    ran = [item for item in items or () if isinstance(item, Mapping) and item.get("status") != "failed"]
    searches = sum([item.get("type") == "web_search_call" and _searches(item) for item in ran])
    return counted(**{search: searches}, file_search=sum([item.get("type") == "file_search_call" for item in ran]))


def _search(body: Mapping[str, Any]) -> str:
    """The bucket of a search: the preview of the tool costs more with models that do not reason, all of them GPT-4s,
    and what it finds is no input then.
    """
    model, tools = body.get("model"), body.get("tools")
    if not isinstance(model, str) or not model.startswith("gpt-4") or not isinstance(tools, list):
        return "web_search"
    previewed = any(str(mapping(tool).get("type")).startswith(_PREVIEW) for tool in tools)
    return _PREVIEW if previewed else "web_search"


def _searches(item: Mapping[str, Any]) -> bool:
    return bool(mapping(item.get("action")).get("type", "search") == "search")
