"""What vendors demand of a history beyond the types of their SDKs: order, grouping, ids that match."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

__all__ = ["check"]

_Body = dict[str, Any]
_ANTHROPIC_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_BEDROCK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")


def _alternates(turns: list[_Body]) -> None:
    roles = [turn["role"] for turn in turns]
    assert roles[0] == "user", f"begins with {roles[0]}"
    assert all(one != two for one, two in pairwise(roles)), f"roles do not alternate: {roles}"


def _blocks(turns: list[_Body]) -> list[_Body]:
    return [block for turn in turns if isinstance(turn["content"], list) for block in turn["content"]]


def _unique(ids: list[str]) -> None:
    assert len(set(ids)) == len(ids), f"an id is used twice in the conversation: {ids}"


def _answered(calls: list[str], results: list[str], where: str) -> None:
    assert len(set(calls)) == len(calls), f"{where}: two calls share an id: {calls}"
    assert sorted(calls) == sorted(results), f"{where}: calls {calls} are answered by {results}"


def _openai(body: _Body, *, longest: int = 40, once: bool = True) -> None:
    """Results are tool messages, right after the message with their calls, one for each."""
    waiting: list[str] = []
    seen: set[str] = set()
    for number, message in enumerate(body["messages"]):
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting, f"messages[{number}] answers no open call"
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, f"messages[{number}] comes before the results of {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
        assert len(set(waiting)) == len(waiting)
        assert not (once and seen & set(waiting)), "an id is used twice"
        assert all(len(id_) <= longest for id_ in waiting), f"longer than {longest} characters: {waiting}"
        seen |= set(waiting)
        has_content = message.get("content") not in (None, "", [])
        assert has_content or message.get("tool_calls"), f"messages[{number}] is empty"
    assert not waiting, f"never answered: {waiting}"


def _copy(body: _Body) -> None:
    _openai(body)


def _responses(body: _Body) -> None:
    """Every call has one output after it, and no two share an id."""
    items = body["input"] if isinstance(body["input"], list) else []
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    _answered(calls, outputs, "input")
    for id_ in calls:
        kinds = [item["type"] for item in items if item.get("call_id") == id_]
        assert kinds == ["function_call", "function_call_output"]
        assert len(id_) <= 64


def _anthropic(body: _Body) -> None:
    """Turns alternate; results open the turn right after their calls; ids are of the vendor's alphabet."""
    turns = body["messages"]
    _alternates(turns)
    _unique([block["id"] for block in _blocks(turns) if block["type"] == "tool_use"])
    waiting: list[str] = []
    for number, turn in enumerate(turns):
        blocks = turn["content"] if isinstance(turn["content"], list) else []
        assert turn["content"], f"messages[{number}] is empty"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        _answered(waiting, results, f"messages[{number}]")
        kinds = [block["type"] == "tool_result" for block in blocks]
        assert kinds == sorted(kinds, reverse=True), "results must open the turn"
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert all(_ANTHROPIC_ID.fullmatch(id_) for id_ in waiting), waiting
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        assert all(text for text in texts), "an empty text is refused"
    assert not waiting, f"never answered: {waiting}"


def _bedrock(body: _Body) -> None:
    """Turns alternate; the results of one turn's calls stand together in the next."""
    turns = body["messages"]
    _alternates(turns)
    _unique([block["toolUse"]["toolUseId"] for block in _blocks(turns) if "toolUse" in block])
    waiting: list[str] = []
    for number, turn in enumerate(turns):
        blocks = turn["content"]
        assert blocks, f"messages[{number}] is empty"
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        _answered(waiting, results, f"messages[{number}]")
        waiting = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        assert all(_BEDROCK_ID.fullmatch(id_) for id_ in waiting), waiting
        assert all(block["text"].strip() for block in blocks if "text" in block), "a blank text is refused"
    assert not waiting, f"never answered: {waiting}"


def _google(body: _Body) -> None:
    """Turns alternate; the turn after calls holds exactly one response for each, in their order."""
    turns = [{**turn, "role": turn.get("role", "user")} for turn in body["contents"]]
    _alternates(turns)
    waiting: list[tuple[Any, str]] = []
    for number, turn in enumerate(turns):
        parts = turn["parts"]
        assert parts, f"contents[{number}] is empty"
        found = [part["functionResponse"] for part in parts if "functionResponse" in part]
        responses = [(one.get("id"), one["name"]) for one in found]
        assert [name for _, name in responses] == [name for _, name in waiting], f"contents[{number}]"
        assert all(sent in (None, wanted) for (sent, _), (wanted, _) in zip(responses, waiting, strict=True))
        waiting = [
            (part["functionCall"].get("id"), part["functionCall"]["name"]) for part in parts if "functionCall" in part
        ]
    assert not waiting, f"never answered: {waiting}"


def _cohere(body: _Body) -> None:
    """As OpenAI's; an assistant's message is never empty."""
    _openai(body, longest=128)


def _mistral(body: _Body) -> None:
    """As OpenAI's, with ids of nine letters and digits; no user message right after a tool's; ends as it may."""
    _openai(body, once=False)
    messages = body["messages"]
    ids = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    assert all(_MISTRAL_ID.fullmatch(id_) for id_ in ids), ids
    pairs = [(one["role"], two["role"]) for one, two in pairwise(messages)]
    assert ("tool", "user") not in pairs
    assert ("tool", "system") not in pairs
    last = messages[-1]
    assert last["role"] in ("user", "tool") or last.get("prefix"), f"ends with {last['role']}"


def _ollama(body: _Body) -> None:
    """A result stands after the message with its call, and no media but images is sent."""
    open_calls = 0
    for message in body["messages"]:
        open_calls += len(message.get("tool_calls") or ())
        if message["role"] == "tool":
            open_calls -= 1
            assert open_calls >= 0, "a result without a call"


_RULES: Mapping[str, Callable[[_Body], None]] = {
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "cohere": _cohere,
    "google": _google,
    "mistral": _mistral,
    "ollama": _ollama,
    "openai_responses": _responses,
    "vertex": _google,
    "xai_responses": _responses,
}


def check(kind: str, body: _Body) -> None:
    """Raises `AssertionError` where the vendor would refuse the history although its types allow it."""
    _RULES.get(kind, _copy)(body)
