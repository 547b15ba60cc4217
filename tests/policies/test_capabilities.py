"""What a model's facts make of a request, before anything is sent."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ContextTooLong, UnsupportedFeature
from orchestrator.policies.capabilities import Fit, fit_for
from orchestrator.spec.models import ModelProfile
from orchestrator.types.chat import ChatOptions, ChatRequest, Media, Message, OutputSchema, Text, Tool, ToolResult
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest

TOOL = Tool(name="f")
SCHEMA = OutputSchema(name="s", schema={"type": "object"})
PNG = Media(media_type="image/png", data=b"x")
PDF = Media(media_type="application/pdf", data=b"x")


def fit(*, strict: bool = False, tokens: int = 10, **facts: Any) -> Fit:
    made = fit_for("chat", ModelProfile(**facts), model="m", strict=strict, estimate=lambda _request: tokens)
    assert made is not None
    return made


def ask(*parts: Any, tools: tuple[Tool, ...] = (), output: OutputSchema | None = None, **options: Any) -> ChatRequest:
    message = Message("user", parts or (Text("hi"),))
    return ChatRequest(messages=(message,), tools=tools, output=output, options=ChatOptions(**options))


def outcome(made: Fit, request: ChatRequest) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The options that are left, and what was warned of."""
    fitted, warnings = made(request)
    given = {name: value for name in ChatOptions.__slots__ if (value := getattr(fitted.options, name)) is not None}
    return given, [(one.kind, one.setting) for one in warnings]


UNSUPPORTED, CHANGED = "unsupported", "compatibility"


@pytest.mark.parametrize(
    ("facts", "options", "left", "warned"),
    [
        ({"refuses": {"stop"}}, {"stop": ("x",)}, {}, [(UNSUPPORTED, "stop")]),
        ({"refuses": {"temperature"}}, {"temperature": 0.2}, {}, [(UNSUPPORTED, "temperature")]),
        ({"refuses": {"temperature"}}, {"temperature": 1}, {"temperature": 1}, []),
        ({"refuses": {"seed"}}, {"temperature": 0.2}, {"temperature": 0.2}, []),
        ({"reasoning": "none"}, {"reasoning_effort": "low"}, {}, [(UNSUPPORTED, "reasoning_effort")]),
        ({"reasoning": "none"}, {"reasoning_effort": "none"}, {}, []),
        ({"one_sampling": True}, {"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2}, [(UNSUPPORTED, "top_p")]),
        ({"one_sampling": True}, {"top_p": 0.5}, {"top_p": 0.5}, []),
        (
            {"one_sampling": True, "refuses": {"temperature"}},
            {"temperature": 0.2, "top_p": 0.5},
            {"top_p": 0.5},
            [(UNSUPPORTED, "temperature")],
        ),
        (
            {"efforts": ("low", "high"), "reasoning": "always"},
            {"reasoning_effort": "medium"},
            {"reasoning_effort": "low"},
            [(CHANGED, "reasoning_effort")],
        ),
        (
            {"efforts": ("none", "high"), "reasoning": "adaptive"},
            {"reasoning_effort": "low"},
            {"reasoning_effort": "high"},
            [(CHANGED, "reasoning_effort")],
        ),
        (
            {"efforts": ("low", "high"), "reasoning": "always"},
            {"reasoning_effort": "none"},
            {"reasoning_effort": "low"},
            [(CHANGED, "reasoning_effort")],
        ),
        (
            {"efforts": ("low", "high"), "reasoning": "default"},
            {"reasoning_effort": "none"},
            {"reasoning_effort": "none"},
            [],
        ),
        (
            {"max_output_tokens": 10},
            {"max_output_tokens": 11},
            {"max_output_tokens": 10},
            [(CHANGED, "max_output_tokens")],
        ),
        ({"max_output_tokens": 10}, {"max_output_tokens": 10}, {"max_output_tokens": 10}, []),
        ({"refuses": {"parallel_tool_calls"}}, {"parallel_tool_calls": True}, {"parallel_tool_calls": True}, []),
    ],
)
def test_settings_are_fitted(
    facts: dict[str, Any], options: dict[str, Any], left: dict[str, Any], warned: list[tuple[str, str]]
) -> None:
    """What a model refuses is left out, what it takes in part goes to the nearest, and both are told."""
    facts = {name: frozenset(value) if isinstance(value, set) else value for name, value in facts.items()}
    assert outcome(fit(**facts), ask(**options)) == (left, warned)


@pytest.mark.parametrize(
    ("control", "effort", "sampled"),
    [
        ("adaptive", None, True),
        ("adaptive", "none", True),
        ("adaptive", "low", False),
        ("default", None, False),
        ("default", "none", True),
        ("always", None, False),
        ("always", "none", False),
        ("budget", None, True),
        ("budget", "high", False),
    ],
)
def test_some_settings_are_taken_only_without_reasoning(control: Any, effort: Any, sampled: bool) -> None:
    """Whether the model reasons depends on its default and on the effort asked for."""
    made = fit(reasoning=control, refuses_when_reasoning=frozenset({"temperature"}))
    left, warned = outcome(made, ask(temperature=0.5, reasoning_effort=effort))
    assert ("temperature" in left) == sampled
    assert (("unsupported", "temperature") in warned) != sampled


def test_parallel_calls_are_a_setting_of_tools() -> None:
    """Beside tools the setting is left out where it is refused."""
    made = fit(refuses=frozenset({"parallel_tool_calls"}))
    assert outcome(made, ask(tools=(TOOL,), parallel_tool_calls=False)) == ({}, [(UNSUPPORTED, "parallel_tool_calls")])


def test_strict_refuses_what_would_be_left_out() -> None:
    """With `unsupported: error` a setting that would be left out is an error; one that is only changed is not."""
    made = fit(strict=True, refuses=frozenset({"stop"}), max_output_tokens=5)
    with pytest.raises(UnsupportedFeature, match="stop: left out: m does not take it"):
        made(ask(stop=("x",)))
    assert outcome(made, ask(max_output_tokens=9))[0] == {"max_output_tokens": 5}


RESULT = ToolResult(id="t", content=(Text("see"), PNG))


@pytest.mark.parametrize(
    ("facts", "request_", "message"),
    [
        ({"tools": False}, ask(tools=(TOOL,)), "m cannot call tools"),
        ({"forced_tools": False}, ask(tools=(TOOL,), tool_choice="required"), "cannot be made to call a tool"),
        ({"forced_tools": False}, ask(tools=(TOOL,), tool_choice="f"), "cannot be made to call a tool"),
        ({"json_schema": False, "tools": False}, ask(output=SCHEMA), "no output schemas"),
        ({"media": frozenset()}, ask(PNG), "does not read image/png"),
        ({"media": frozenset({"image/*"})}, ask(PNG, PDF), "does not read application/pdf"),
        ({"media": frozenset({"application/pdf"})}, ask(RESULT), "does not read image/png"),
    ],
)
def test_a_feature_that_is_lacking_is_an_error(facts: dict[str, Any], request_: ChatRequest, message: str) -> None:
    """Tools, forced tools, output schemas and media that a model lacks are refused, also inside tool results."""
    with pytest.raises(UnsupportedFeature, match=message):
        fit(**facts)(request_)


@pytest.mark.parametrize(
    ("facts", "request_"),
    [
        ({"context_tokens": 9}, ask(PNG, tools=(TOOL,), output=SCHEMA)),
        ({"forced_tools": False}, ask(tools=(TOOL,), tool_choice="auto")),
        ({"json_schema": False, "tools": True}, ask(output=SCHEMA)),
        ({"media": frozenset({"image/*"})}, ask(PNG, Media(media_type="image/*", url="https://x.example/a"))),
        ({"media": frozenset({"image/png"})}, ask(Media(media_type="image/*", url="https://x.example/a"))),
        ({"media": frozenset()}, ask(Media(media_type="text/plain", data=b"x"))),
    ],
)
def test_what_is_not_known_to_be_lacking_is_let_through(facts: dict[str, Any], request_: ChatRequest) -> None:
    """Unknown features, types that say nothing, text documents and stand-ins by a tool are the vendor's to judge."""
    assert fit(**facts)(request_) == (request_, ())


def test_an_input_far_beyond_the_context_is_refused() -> None:
    """Three times the context, by estimate, is an error before sending; less is not, since estimates err."""
    long = ask(Text("x" * 10_000))
    with pytest.raises(ContextTooLong, match=r"about 3,001 tokens .* far beyond the 1,000 that m reads"):
        fit(context_tokens=1000, tokens=3001)(long)
    assert fit(context_tokens=1000, tokens=3000)(long) == (long, ())


def test_the_input_limit_counts_where_it_is_smaller() -> None:
    """A model that reads less than its context is judged by what it reads."""
    with pytest.raises(ContextTooLong):
        fit(context_tokens=1000, max_input_tokens=100, tokens=301)(ask(Text("x" * 10_000)))


def test_a_short_input_is_not_even_estimated() -> None:
    """A text of fewer characters than could make too many tokens costs no estimate."""
    made = fit_for("chat", ModelProfile(context_tokens=1000), model="m", strict=False, estimate=lambda _: 1 // 0)
    assert made is not None
    assert made(ask(Text("x" * 1500)))[1] == ()


def test_nothing_known_costs_nothing() -> None:
    """A model of which nothing is known has no fit at all, and neither has a ranking."""
    assert fit_for("chat", ModelProfile(), model="m", strict=False, estimate=lambda _: 0) is None
    assert fit_for("rerank", ModelProfile(context_tokens=9), model="m", strict=False, estimate=lambda _: 0) is None


@pytest.mark.parametrize(("size", "fits"), [(None, True), (256, True), (1024, True), (512, False)])
def test_sizes_of_vectors(size: int | None, fits: bool) -> None:
    """A size that the model cannot give is an error: other vectors would be of no use to the caller."""
    known = ModelProfile(dimensions=1024, dimension_choices=(256, 1024))
    made = fit_for("embed", known, model="m", strict=False, estimate=lambda _: 0)
    assert made is not None
    request = EmbedRequest(texts=("a",), options=EmbedOptions(dimensions=size))
    if fits:
        assert made(request) == (request, ())
        return
    with pytest.raises(UnsupportedFeature, match="m gives no vectors of 512 dimensions; it gives 256, 1024"):
        made(request)


OPTIONS = st.builds(
    ChatOptions,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    seed=st.none() | st.integers(),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
    max_output_tokens=st.none() | st.integers(1, 100),
)
KNOWN = st.builds(
    ModelProfile,
    refuses=st.frozensets(st.sampled_from(["temperature", "top_p", "seed", "reasoning_effort"])),
    refuses_when_reasoning=st.frozensets(st.sampled_from(["temperature", "top_p"])),
    one_sampling=st.booleans(),
    reasoning=st.sampled_from([None, "none", "budget", "adaptive", "default", "always"]),
    efforts=st.lists(st.sampled_from(["none", "low", "high", "max"]), unique=True).map(tuple),
    max_output_tokens=st.none() | st.integers(1, 100),
    family=st.just("f"),
)


@given(KNOWN, OPTIONS)
def test_fitting_twice_changes_nothing_more(known: ModelProfile, options: ChatOptions) -> None:
    """A fitted request fits; and whatever differs from what was asked, but for an effort of none, was warned of."""
    made = fit_for("chat", known, model="m", strict=False, estimate=lambda _: 0)
    assert made is not None
    request = ChatRequest(messages=(Message("user", (Text("hi"),)),), options=options)
    fitted, warnings = made(request)
    assert made(fitted) == (fitted, ())
    changed = {name for name in ChatOptions.__slots__ if getattr(options, name) != getattr(fitted.options, name)}
    if options.reasoning_effort == "none" and fitted.options.reasoning_effort is None:
        changed -= {"reasoning_effort"}
    assert changed == {one.setting for one in warnings}


def test_a_plain_call_costs_next_to_nothing() -> None:
    """A call without tools, media or odd settings is fitted in about a microsecond."""
    made = fit(context_tokens=128_000, media=frozenset(), refuses=frozenset({"stop"}), max_output_tokens=9000)
    request = ask(temperature=0.2)
    best = min(_seconds(made, request) for _ in range(20))
    assert best < 5e-6  # a tenth of that where the machine has nothing else to do


def _seconds(made: Fit, request: ChatRequest) -> float:
    begin = time.process_time()
    for _ in range(1000):
        made(request)
    return (time.process_time() - begin) / 1000
