"""What is held for an attempt bounds it, whatever the vendor's own settings say."""

from __future__ import annotations

from typing import Any

import pytest
from vendor import World, completion

from orchestrator.errors import BudgetExceeded, InvalidRequest

KNOWN = 16_384
"""Tokens that gpt-4o-mini writes at most."""


def most_tokens(options: dict[str, Any], cap: int | None = 1_000, *, effort: Any = None, **deployment: Any) -> int:
    """Output tokens that are held for a call with these `provider_options`, at a dollar for a million."""
    held = 0
    price = {"input": 0, "output": 1}

    def answer(_request: Any) -> Any:
        nonlocal held
        store = found.llm._core.pipeline._admission._cashier._store
        held = sum(store.held(key) for key in store._accounts)
        return completion(input_tokens=10, output_tokens=5)

    found = World(
        {"a": answer}, deployments={"a": {"price": price, **deployment}}, budgets=[{"usd": 1, "window": "day"}]
    )
    more = {"reasoning_effort": effort} if effort else {}
    found.run(lambda llm: llm.chat("answer", "hello", max_output_tokens=cap, provider_options=options, **more))
    return held // 1_000


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({}, 1_000),
        ({"openai": {"temperature": 1}}, 1_000),
        ({"openai": {"max_tokens": 4_000}}, 4_000),
        ({"openai": {"max_tokens": 3_999.5}}, 4_000),
        ({"openai": {"max_tokens": 4_000}, "mistral": {"max_tokens": 10}}, 4_000),
        ({"bedrock": {"inferenceConfig": {"maxTokens": 4_000}}}, 4_000),
        ({"ollama": {"options": {"num_predict": -1}}}, KNOWN),
        ({"openai": {"max_tokens": None}}, KNOWN),
        ({"openai": {"n": 5}}, 5_000),
        ({"openai": {"n": 5}, "mistral": {"n": 1}}, 5_000),
        ({"openai": {"n": 2, "best_of": 5}}, 5_000),
    ],
)
def test_caps_and_counts_of_the_vendors(options: dict[str, Any], tokens: int) -> None:
    """The largest cap that any setting gives counts, and the largest number of answers; a lifted cap is none."""
    assert most_tokens(options) == tokens


def test_a_lifted_cap_of_an_unknown_model_is_refused() -> None:
    """Without a cap, and without a model known to have one, there is no bound, so nothing is sent."""
    with pytest.raises(InvalidRequest, match="the answer has no bound"):
        most_tokens({"openai": {"max_tokens": -1}}, model="nobody-knows-it")
    assert most_tokens({"openai": {"max_tokens": 7}}, None, model="nobody-knows-it") == 7


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"documents": []}, None),
        ({"documents": ["x" * 60_000]}, BudgetExceeded),
        ({"previous_response_id": "resp_1"}, BudgetExceeded),
        ({"previous_response_id": None}, None),
    ],
)
def test_input_in_the_vendors_settings_is_held(options: dict[str, Any], refused: type[Exception] | None) -> None:
    """Documents in `provider_options` are input, and so is what the vendor remembers, up to all that a model reads."""
    budget = {"usd": "0.05", "window": "day"}
    found = World({"a": completion()}, deployments={"a": {"price": {"input": 1, "output": 1}}}, budgets=[budget])

    async def scenario(llm: Any) -> None:
        call = llm.chat("answer", "hello", max_output_tokens=100, provider_options={"openai": options})
        if refused is None:
            await call
        else:
            with pytest.raises(refused):
                await call

    found.run(scenario)
    assert len(found.sent) == (refused is None)


@pytest.mark.parametrize(("effort", "tokens"), [("medium", 1_000), ("high", 8_000)])
def test_an_effort_without_a_cap(effort: str, tokens: int) -> None:
    """Nova 2 takes no cap at its highest effort, so all that it writes at most is held."""
    profile = {"max_output_tokens": 8_000}
    assert most_tokens({}, model="amazon.nova-2-lite-v1:0", profile=profile, effort=effort) == tokens


def test_a_cap_that_is_raised() -> None:
    """A wire raises a cap below its vendor's minimum, so the minimum is held."""
    assert most_tokens({}, 1) == 16
