"""What the litellm engine leaves open, and closes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from litellm_loopback import Answer, Vendor, drop_clients, vendor

from orchestrator.spec.auth import Secret
from orchestrator.spec.provider import Target
from orchestrator.types import ChatRequest, Message, Text
from orchestrator_providers.litellm.clients import release
from orchestrator_providers.litellm.engine import LiteLLMEngine, open_engine
from orchestrator_providers.litellm.profile import PROFILE

pytestmark = [
    pytest.mark.usefixtures("clients"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:litellm.*"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
]

ASK = ChatRequest(messages=(Message("user", (Text("Hi"),)),))
BODIES = {
    "openai/gpt-4o": {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    "anthropic/claude-haiku-4-5": {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}


@pytest.fixture(scope="module")
def clients() -> Iterator[None]:
    """Collects what litellm leaves open before another module's tests would be blamed for it."""
    yield
    drop_clients()


@pytest.fixture
def alone() -> None:
    """No engine of another test counts as a user of the shared clients."""
    from orchestrator_providers.litellm import clients

    for one in list(clients._users):
        release(one)


def engine(model: str, one: Vendor) -> LiteLLMEngine:
    suffix = "/v1" if model.startswith("openai") else ""
    secret = Secret(lambda: "sk-test", source="test")
    target = Target(
        profile=PROFILE, provider="p", deployment="d", model=model, base_url=one.url + suffix, secret=secret
    )
    opened = open_engine(target)
    assert isinstance(opened, LiteLLMEngine)
    return opened


def kept() -> dict[str, Any]:
    """Litellm's clients of the running loop."""
    ending = f"-{id(asyncio.get_running_loop())}"
    cached = sys.modules["litellm"].in_memory_llm_clients_cache.cache_dict
    return {key: value for key, value in cached.items() if key.endswith(ending)}


def is_closed(client: Any) -> bool:
    inner = getattr(client, "_client", None) or client.client
    return bool(inner.is_closed)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("model", sorted(BODIES))
def test_close_closes_the_clients_and_a_later_call_opens_others(model: str) -> None:
    """After `close` no client of this loop is open or kept; closing again does nothing, and calls go on working."""

    async def scenario(one: LiteLLMEngine) -> None:
        for _ in range(2):
            assert (await one.chat(ASK, timeout_s=20)).message.text == "Hello"
            open_ones = list(kept().values())
            assert open_ones
            await one.close()
            assert not kept()
            assert all(is_closed(client) for client in open_ones)
            await one.close()

    with vendor() as far:
        far.will(Answer(body=BODIES[model]))
        asyncio.run(scenario(engine(model, far)))
    assert len(far.received) == 2


@pytest.mark.usefixtures("alone")
def test_clients_that_another_engine_uses_stay_open() -> None:
    """Litellm's clients are shared: an engine dropped by a reload must not break the calls of its successor."""

    async def scenario(old: LiteLLMEngine, new: LiteLLMEngine) -> None:
        await old.chat(ASK, timeout_s=20)
        await new.chat(ASK, timeout_s=20)
        await old.close()
        assert kept()
        assert not any(is_closed(client) for client in kept().values())
        await new.close()
        assert not kept()

    with vendor() as far:
        far.will(Answer(body=BODIES["openai/gpt-4o"]))
        asyncio.run(scenario(engine("openai/gpt-4o", far), engine("openai/gpt-4o", far)))


def test_closing_what_was_never_used_loads_nothing() -> None:
    """An engine without a call has nothing to close, and does not import litellm for it."""
    target = Target(profile=PROFILE, provider="p", deployment="d", model="openai/gpt-4o", base_url="")

    def never() -> Any:
        raise AssertionError("loaded")

    asyncio.run(LiteLLMEngine(target, load=never).close())


@pytest.mark.usefixtures("alone")
def test_a_client_that_the_application_gave_to_litellm_stays_open() -> None:
    """Only clients that litellm made are closed; one of the application's is forgotten and lives on."""

    class Own:
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    async def scenario(one: LiteLLMEngine) -> bool:
        await one.chat(ASK, timeout_s=20)
        own = Own()
        sys.modules["litellm"].in_memory_llm_clients_cache.set_cache("own", own)
        await one.close()
        assert not kept()
        return own.closed

    with vendor() as far:
        far.will(Answer(body=BODIES["openai/gpt-4o"]))
        assert asyncio.run(scenario(engine("openai/gpt-4o", far))) is False
