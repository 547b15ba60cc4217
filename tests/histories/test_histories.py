"""Histories move between vendors: whatever one wire answered, every other wire can send, as its vendor wants it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from entries import chat_codec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules import check
from sdk_types import validate as validate_types
from travelling import FROM, TO, foreign_marks, history, leaves, strip_images, takes_images

from orchestrator.errors import UnsupportedFeature
from orchestrator.policies import validate
from orchestrator.spec.provider import Encoded
from orchestrator.types.chat import ChatRequest, Message, Reasoning, Text, Tool, ToolCall, ToolResult

TEXT_RESULTS_ONLY = {"cohere": "tool results hold text and documents only"}
"""Kinds whose tool results cannot hold an image, and say so before anything is sent."""

TOOLS = (Tool(name="weather", description="Weather now"), Tool(name="look_up"), Tool(name="f"))


def _sendable(messages: tuple[Message, ...], kind: str) -> tuple[Message, ...]:
    if not takes_images(kind):
        return strip_images(messages, results_only=False)
    return strip_images(messages, results_only=True) if kind in TEXT_RESULTS_ONLY else messages


def _encoded(kind: str, messages: tuple[Message, ...]) -> tuple[dict[str, Any], Encoded]:
    request = ChatRequest(messages=messages, tools=TOOLS)
    codec = chat_codec(kind)
    try:
        found = codec.encode(request)
    except UnsupportedFeature as error:
        if "tools" not in error.message:
            raise
        found = codec.encode(ChatRequest(messages=messages))  # a vendor without tools
    return orjson.loads(found.request.body), found


@pytest.mark.parametrize("target", TO)
@pytest.mark.parametrize("source", FROM)
def test_a_history_of_one_vendor_is_valid_at_another(source: str, target: str) -> None:
    """What one vendor answered is written for the other as its SDK's types and its rules of order and ids demand."""
    body, _ = _encoded(target, _sendable(history(source), target))
    validate_types(target, body)
    check(target, body)


@pytest.mark.parametrize("target", TO)
@pytest.mark.parametrize("source", FROM)
def test_foreign_marks_stay_behind_with_one_warning(source: str, target: str) -> None:
    """Marks of other kinds are in no body, and one warning says so; of a history of one's own nothing is stripped."""
    messages = _sendable(history(source), target)
    body, found = _encoded(target, messages)
    stripped = [warning for warning in found.warnings if warning.kind == "stripped"]
    if source == target:
        assert not stripped, "nothing of its own was to be stripped"
        return
    text = orjson.dumps(body).decode()
    kept = [leaf for leaf in leaves(messages) if leaf in text]
    assert not kept, f"foreign marks were sent: {kept}"
    if foreign_marks(messages, target):
        assert len(stripped) == 1


@pytest.mark.parametrize("kind", FROM)
def test_marks_of_ones_own_travel_back(kind: str) -> None:
    """Signatures and encrypted reasoning that a vendor sent are in what it gets next."""
    messages = _sendable(history(kind), kind)
    body, _ = _encoded(kind, messages)
    text = orjson.dumps(body).decode()
    assert [leaf for leaf in leaves(messages) if leaf not in text] == []


@pytest.mark.parametrize("kind", TO)
def test_a_plain_history_moves_without_a_word(kind: str) -> None:
    """Texts and unmarked tool calls move with no warning at all about anything stripped."""
    messages = validate.messages(
        [
            Message("user", (Text("What is the weather?"),)),
            Message("assistant", (Text("Let me look."), ToolCall(id="call_1", name="weather"))),
            Message("tool", (ToolResult(id="call_1", name="weather", content="sunny"),)),
        ]
    )
    body, found = _encoded(kind, messages)
    assert not [warning for warning in found.warnings if warning.kind == "stripped"]
    validate_types(kind, body)
    check(kind, body)


@pytest.mark.parametrize("kind", [kind for kind in TO if takes_images(kind)])
def test_images_in_tool_results_are_sent_or_refused(kind: str) -> None:
    """An image in a tool result is in the body, or the wire refuses before anything is sent; it is never lost."""
    messages = history("openai")
    if kind in TEXT_RESULTS_ONLY:
        with pytest.raises(UnsupportedFeature):
            _encoded(kind, messages)
        return
    body, _ = _encoded(kind, messages)
    assert orjson.dumps(body).decode().count("iVBORw0KGgotb25l") == 2


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
_IDS = st.sampled_from(
    ["call_1", "call:1", "call|1", "call_0", "fc_" + "9" * 60, "abcDEF123", "toolu-ü", "x" * 41, "1"]
)
_ARGUMENTS = st.dictionaries(_TEXTS, st.none() | st.integers(-9, 9) | _TEXTS, max_size=2)


@st.composite
def _exchange(draw: st.DrawFn) -> list[Message]:
    """Calls and their results, in any order, in one tool message or in several."""
    ids = draw(st.lists(_IDS, min_size=1, max_size=3, unique=True))
    names = {id_: draw(st.sampled_from(["weather", "look_up", "f"])) for id_ in ids}
    calls = [ToolCall(id=id_, name=names[id_], arguments=draw(_ARGUMENTS)) for id_ in ids]
    said = [Text(text) for text in draw(st.lists(_TEXTS, max_size=1))]
    thought = [Reasoning(text) for text in draw(st.lists(_TEXTS, max_size=1))]
    results = [
        ToolResult(
            id=id_, name=draw(st.none() | st.just(names[id_])), content=draw(_TEXTS), is_error=draw(st.booleans())
        )
        for id_ in draw(st.permutations(ids))
    ]
    cut = draw(st.integers(0, len(results) - 1))
    answers = [Message("tool", tuple(group)) for group in (results[:cut], results[cut:]) if group]
    return [Message("assistant", (*thought, *said, *calls)), *answers]


def _spoken(role: Any) -> st.SearchStrategy[list[Message]]:
    return st.lists(_TEXTS, min_size=1, max_size=2).map(lambda texts: [Message(role, tuple(map(Text, texts)))])


_TURNS = st.lists(_exchange() | _spoken("user") | _spoken("assistant") | _spoken("system"), max_size=4)


@st.composite
def _histories(draw: st.DrawFn) -> tuple[Message, ...]:
    opened = [*draw(st.just([]) | _spoken("system")), *draw(_spoken("user"))]
    turns = [message for turn in draw(_TURNS) for message in turn]
    closed = draw(_spoken("user") | _exchange())
    return validate.messages([*opened, *turns, *closed])


@pytest.mark.parametrize("kind", [*FROM, "vertex", "deepseek"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(messages=_histories())
def test_any_valid_history_is_valid_at_the_vendor(kind: str, messages: tuple[Message, ...]) -> None:
    """Any history that passes our own check becomes a body that types and rules of the vendor allow."""
    body, found = _encoded(kind, messages)
    validate_types(kind, body)
    check(kind, body)
    assert len([warning for warning in found.warnings if warning.kind == "stripped"]) <= 1
