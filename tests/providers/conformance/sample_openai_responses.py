"""A vendor of the Responses API: numbered items, told whole at their end."""

from __future__ import annotations

from typing import Any

from wire_sample import ChatSample, Said, Stream, WireSample, pieces, sse

from orchestrator.errors import RateLimited
from orchestrator.spec.provider import Profile
from orchestrator.types.usage import Usage

__all__ = ["sample"]

_USAGE = {
    "input_tokens": 90,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 24},
    "total_tokens": 130,
}
_COUNTS = Usage(
    input_tokens=90, output_tokens=40, cache_read_tokens=64, cache_write_tokens=8, reasoning_tokens=24, raw=_USAGE
)
_PLAIN_USAGE = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
_REASONS = {"max_output_tokens", "content_filter"}


def _items(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.reasoning:
        summary = [{"type": "summary_text", "text": said.reasoning}]
        items.append({"id": "rs_9", "type": "reasoning", "summary": summary, "encrypted_content": "c2VjcmV0"})
    if said.text:
        content = [{"type": "output_text", "text": said.text, "annotations": []}]
        items.append({"id": "msg_9", "type": "message", "role": "assistant", "status": "completed", "content": content})
    for number, call in enumerate(said.calls):
        function = {"call_id": call.id, "name": call.name, "arguments": call.text}
        items.append({"id": f"fc_{number}", "type": "function_call", "status": "completed", **function})
    return items


def _body(said: Said, items: list[dict[str, Any]]) -> dict[str, Any]:
    status, details = said.finish or "completed", None
    if said.finish in _REASONS or said.finish == "brand_new_reason":
        status, details = "incomplete", {"reason": said.finish}
    return {
        "id": "resp_9",
        "object": "response",
        "created_at": 1,
        "model": "model-9",
        "status": status,
        "error": None,
        "incomplete_details": details,
        "output": items,
        "usage": said.usage or _PLAIN_USAGE,
    }


def _whole(said: Said) -> Any:
    return _body(said, _items(said))


def _event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _deltas(item: dict[str, Any], at: dict[str, Any]) -> list[bytes]:
    if item["type"] == "reasoning":
        text = item["summary"][0]["text"]
        return [_event("response.reasoning_summary_text.delta", delta=piece, **at) for piece in pieces(text)]
    if item["type"] == "function_call":
        return [_event("response.function_call_arguments.delta", delta=p, **at) for p in pieces(item["arguments"])]
    at = {**at, "content_index": 0}
    opened = _event("response.content_part.added", part={"type": "output_text", "text": "", "annotations": []}, **at)
    deltas = [_event("response.output_text.delta", delta=p, **at) for p in pieces(item["content"][0]["text"])]
    return [opened, *deltas]


def _stream(said: Said) -> Stream:
    begun = _body(said, []) | {"status": "in_progress", "usage": None, "incomplete_details": None}
    frames = [_event("response.created", response=begun)]
    items = _items(said)
    for index, item in enumerate(items):
        opened = {**item, "content": [], "summary": [], "arguments": ""}
        frames.append(_event("response.output_item.added", output_index=index, item=opened))
        frames += _deltas(item, {"output_index": index, "item_id": item["id"]})
        frames.append(_event("response.output_item.done", output_index=index, item=item))
    signal = len(frames)
    body = _body(said, items)
    frames.append(_event(f"response.{body['status']}", response=body))
    return Stream(tuple(frames), signal)


def sample(profile: Profile) -> WireSample:
    """The sample of a vendor of this API."""
    return WireSample(
        model="gpt-5.4-mini" if profile.quirks.openai_models else "grok-4.3",
        error=lambda message: {"error": {"message": message, "type": "some_error", "param": None, "code": None}},
        chat=ChatSample(
            whole=_whole,
            stream=_stream,
            stream_error=_event("error", code="rate_limit_exceeded", message="slower", param=None, sequence_number=3),
            error_class=RateLimited,
            unfinished=_body(Said(finish="in_progress"), _items(Said(text="Half an ans"))),
            finish={"incomplete": "other"},
            other_finish=None,
            usage=_USAGE,
            counts=_COUNTS,
        ),
    )
