"""What vendors bill beside plain tokens is counted where they tell it: searches of their own, and rarer tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from orchestrator.backends import frame_parser
from orchestrator.registry import find
from orchestrator.spec.provider import ChatCodec, Failure, Frame, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.types.collect import collect
from orchestrator.types.usage import Usage

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "bedrock": {"region": "us-east-1"},
    "vertex": {"project": "example", "location": "global"},
}


def chat_of(kind: str, model: str) -> ChatCodec:
    """The chat codec of a kind."""
    wire = find(kind)
    assert isinstance(wire, Wire)
    target = Target(
        profile=wire.profile,
        provider="p",
        deployment="d",
        model=model,
        base_url=wire.profile.base_url or "https://models.example.com/v1",
        settings=SETTINGS.get(kind, {}),
    )
    chat = wire.bind(target).chat
    assert chat is not None
    return chat


def whole(kind: str, model: str, body: Mapping[str, Any]) -> Usage:
    """Usage of a whole reply."""
    usage = chat_of(kind, model).decode(HttpReply(200, {}, orjson.dumps(body))).usage
    assert usage is not None
    return usage


def streamed(kind: str, model: str, events: Sequence[Mapping[str, Any]]) -> Usage:
    """Usage of a stream of server-sent events."""
    chat = chat_of(kind, model)
    parser = frame_parser(chat.framing)
    data = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    return of_frames(chat, [*parser.feed(data), *parser.end()])


def of_frames(chat: ChatCodec, frames: Sequence[Frame]) -> Usage:
    """Usage of a stream that is cut into frames already."""
    decoder = chat.decoder()
    decoded = [*decoder.feed(frames), *decoder.end()]
    usage = collect([event for event in decoded if not isinstance(event, Failure)]).usage
    assert usage is not None
    return usage


# OpenAI's Responses API


def search(action: str | None, status: str = "completed") -> dict[str, Any]:
    """An output item of the web search tool."""
    item = {"type": "web_search_call", "id": f"ws_{action}_{status}", "status": status}
    return item if action is None else {**item, "action": {"type": action}}


FILES = {"type": "file_search_call", "id": "fs1", "status": "completed", "queries": ["a", "b"]}
SAID = {
    "type": "message",
    "id": "m1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "ok", "annotations": []}],
}


def response(items: Sequence[Mapping[str, Any]], **usage: Any) -> dict[str, Any]:
    """A response with these output items."""
    counts = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12, **usage}
    return {"id": "r1", "object": "response", "status": "completed", "model": "m", "output": [*items], "usage": counts}


RESPONSES = {
    "a search": ([search("search"), SAID], {"web_search": 1}),
    "pages opened and searched in": (
        [search("search"), search("open_page"), search("find_in_page"), SAID],
        {"web_search": 1},
    ),
    "an item without its action": ([search(None), SAID], {"web_search": 1}),
    "a search that failed": ([search("search", "failed"), SAID], None),
    "stored files": ([FILES, SAID], {"file_search": 1}),
    "both": ([search("search"), FILES, SAID], {"web_search": 1, "file_search": 1}),
    "none": ([SAID], None),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_count_searches_by_their_items(name: str) -> None:
    """Each search of the web or of files is one, opened pages are none, in a whole reply and in a stream alike."""
    items, extras = RESPONSES[name]
    assert whole("openai_responses", "gpt-5", response(items)).extras == extras
    events = [{"type": "response.completed", "response": response(items)}]
    assert streamed("openai_responses", "gpt-5", events).extras == extras


def test_a_stream_counts_the_items_it_told_one_by_one() -> None:
    """A last event that does not repeat the output items takes nothing away from the searches told before it."""
    told = [
        {"type": f"response.output_item.{step}", "output_index": index, "item": item}
        for index, item in enumerate([search("search"), SAID])
        for step in ("added", "done")
    ]
    events = [*told, {"type": "response.completed", "response": response([])}]
    assert streamed("openai_responses", "gpt-5", events).extras == {"web_search": 1}


@pytest.mark.parametrize(
    ("model", "tool", "bucket"),
    [
        ("gpt-4.1-2025-04-14", "web_search_preview", "web_search_preview"),
        ("gpt-4o", "web_search_preview_2025_03_11", "web_search_preview"),
        ("gpt-4.1-2025-04-14", "web_search", "web_search"),
        ("gpt-5", "web_search_preview", "web_search"),
    ],
)
def test_the_preview_of_the_search_tool_is_told_apart_where_it_costs_more(model: str, tool: str, bucket: str) -> None:
    """With models that do not reason the preview has a price of its own, and not that of the later tool."""
    body = {**response([search("search"), SAID]), "model": model, "tools": [{"type": "function"}, {"type": tool}]}
    assert whole("openai_responses", model, body).extras == {bucket: 1}


def test_perplexity_counts_its_tools_itself() -> None:
    """Its usage says how often the web was searched."""
    body = response([SAID], tool_calls_details={"search_web": {"invocation": 3}})
    assert whole("openai_responses", "sonar", body).extras == {"web_search": 3}


def test_xai_counts_its_tools_itself() -> None:
    """The vendor's own count of calls that succeeded holds, not the items of those that were tried."""
    own = {"web_search_calls": 2, "x_search_calls": 1, "code_interpreter_calls": 3, "file_search_calls": 0}
    body = response([search("search"), SAID], server_side_tool_usage_details=own)
    assert whole("xai_responses", "grok-4", body).extras == {"web_search": 2, "social_search": 1, "code_execution": 3}


# OpenAI's chat completions


def completion(model: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    return {"id": "c1", "model": model, "choices": [choice], "usage": usage}


PLAIN = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@pytest.mark.parametrize(
    ("kind", "model", "extras"),
    [
        ("openai", "gpt-4o-search-preview-2025-03-11", {"web_search": 1}),
        ("openai", "gpt-5-search-api", {"web_search": 1}),
        ("openai", "gpt-4o", None),
        ("openai_compatible", "my-search-model", None),
    ],
)
def test_models_that_always_search_are_counted_as_one_search(kind: str, model: str, extras: Any) -> None:
    """OpenAI's search models look the web up before they answer; a model of that name elsewhere need not."""
    assert whole(kind, model, completion(model, PLAIN)).extras == extras
    chunk = {"id": "c1", "model": model, "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}
    assert streamed(kind, model, [chunk, {**chunk, "choices": [], "usage": PLAIN}]).extras == extras


def test_rarer_tokens_of_chat_completions_are_told() -> None:
    """Video read and images made are counted where the vendor names them, and only then."""
    usage = {
        **PLAIN,
        "prompt_tokens_details": {"video_tokens": 5},
        "completion_tokens_details": {"image_tokens": 2, "audio_tokens": 0},
    }
    assert whole("openrouter", "m", completion("m", usage)).extras == {"input_video": 5, "output_image": 2}


def test_perplexity_counts_reasoning_beside_the_answer_whatever_its_total_says() -> None:
    """With reasoning left out of the total as well, it still is output on top of the answer."""
    usage = {"prompt_tokens": 30, "completion_tokens": 7000, "total_tokens": 7030, "reasoning_tokens": 90000}
    found = whole("perplexity", "sonar-deep-research", completion("sonar-deep-research", usage))
    assert (found.output_tokens, found.reasoning_tokens) == (97000, 90000)


# Google


def grounded(model: str, grounding: Mapping[str, Any], **usage: Any) -> dict[str, Any]:
    """A whole answer of Gemini's, or the last chunk of one."""
    candidate = {
        "content": {"role": "model", "parts": [{"text": "ok"}]},
        "finishReason": "STOP",
        "groundingMetadata": grounding,
    }
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12, **usage}
    return {"candidates": [candidate], "modelVersion": model, "usageMetadata": counts}


WEB = {"groundingChunks": [{"web": {"uri": "https://example.com"}}, {"web": {"uri": "https://example.org"}}]}
PLACE = {"groundingChunks": [{"maps": {"placeId": "p"}}]}
STORED = {"groundingChunks": [{"retrievedContext": {"text": "t"}}]}
QUERIES = {"webSearchQueries": ["a", "", "b", "a", " "]}

GROUNDINGS = {
    "by the query": ("gemini-3.5-flash", {**WEB, **QUERIES}, {"web_search": 2}),
    "by the query, though nothing was found": ("gemini-3-pro-preview", QUERIES, {"web_search": 2}),
    "sources without their queries": ("gemini-3-pro-preview", WEB, {"web_search": 1}),
    "by the prompt": ("gemini-2.5-flash", {**WEB, **QUERIES}, {"web_search": 1}),
    "by the prompt, and nothing was found": ("gemini-2.5-flash", QUERIES, None),
    "a map": ("gemini-2.5-flash", PLACE, {"map_search": 1}),
    "files of one's own": ("gemini-3-flash-preview", STORED, None),
    "nothing": ("gemini-3-flash-preview", {}, None),
}


@pytest.mark.parametrize("kind", ["google", "vertex"])
@pytest.mark.parametrize("name", GROUNDINGS)
def test_google_counts_searches_as_it_bills_them(name: str, kind: str) -> None:
    """From Gemini 3 on each different query, before it each prompt whose answer rests on what was found."""
    model, grounding, extras = GROUNDINGS[name]
    body = grounded(model, grounding)
    assert whole(kind, model, body).extras == extras
    begun = {**body, "candidates": [{"content": {"role": "model", "parts": [{"text": "o"}]}}]}
    assert streamed(kind, model, [begun, body]).extras == extras


def test_google_tells_the_modalities_apart() -> None:
    """Pages count as images; what a cache held of sound and images, video, and images made are told beside."""

    def counts(**tokens: int) -> list[dict[str, Any]]:
        return [{"modality": name.upper(), "tokenCount": number} for name, number in tokens.items()]

    usage = whole(
        "google",
        "gemini-2.5-flash",
        grounded(
            "gemini-2.5-flash",
            {},
            promptTokensDetails=counts(text=1, image=10, document=20, video=30, audio=40),
            cacheTokensDetails=counts(image=1, document=2, audio=4),
            candidatesTokensDetails=counts(text=3, image=500),
        ),
    )
    assert (usage.input_image_tokens, usage.input_audio_tokens) == (30, 40)
    assert usage.extras == {"cache_read_audio": 4, "cache_read_image": 3, "input_video": 30, "output_image": 500}


# Bedrock


def test_bedrock_counts_searches_that_aws_ran() -> None:
    """Each call of the grounding tool that the model made and AWS ran is a search; calls for the caller are none."""
    ran = {"toolUse": {"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use", "input": {}}}
    asked = {"toolUse": {"toolUseId": "t2", "name": "nova_grounding", "input": {}}}
    usage = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}
    message = {"role": "assistant", "content": [ran, ran, asked, {"text": "ok"}]}
    body = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
    assert whole("bedrock", "amazon.nova-premier-v1:0", body).extras == {"web_search": 2}
    frames = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockStart", {"contentBlockIndex": 0, "start": ran}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "ok"}}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": usage}),
    ]
    chat = chat_of("bedrock", "amazon.nova-premier-v1:0")
    assert of_frames(chat, [(name, orjson.dumps(value)) for name, value in frames]).extras == {"web_search": 1}
