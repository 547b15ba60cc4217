"""The clients that the benchmarks compare: the same two deployments, half of the calls each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["CLIENTS", "Client", "OrchestratorClient", "RouterClient"]

QUESTION = "Which plan includes single sign-on, and what does it cost per seat?"
MODEL = "gpt-4o-mini"


class Client(Protocol):
    """A client over two deployments, `alpha` and `beta`."""

    label: str

    async def chat(self, deadline_s: float) -> None:
        """Ask and wait for the whole answer; raises what the client raises."""
        ...

    async def stream(self, deadline_s: float) -> None:
        """Ask and read the answer's stream to its end."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class OrchestratorClient:
    """The client of this project, with the defaults of the file."""

    def __init__(self, urls: Mapping[str, str], label: str = "orchestrator") -> None:
        from orchestrator import AsyncOrchestrator

        self.label = label
        os.environ.setdefault("BENCHMARK_KEY", "sk-benchmark")
        self._llm = AsyncOrchestrator(orchestrator_config(urls))

    async def chat(self, deadline_s: float) -> None:
        """See `Client`."""
        await self._llm.chat("answer", QUESTION, deadline=deadline_s)

    async def stream(self, deadline_s: float) -> None:
        """See `Client`."""
        async with self._llm.stream("answer", QUESTION, deadline=deadline_s) as stream:
            async for _ in stream:
                pass

    async def close(self) -> None:
        """See `Client`."""
        await self._llm.close()


def orchestrator_config(urls: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """One provider per vendor, one chat deployment each, and route `answer` over them by equal weights."""
    return {
        "version": 1,
        "providers": {
            name: {
                "kind": "openai",
                "base_url": f"{url}/v1",
                "api_key": {"env": "BENCHMARK_KEY"},
                "priced_as": "openai",
            }
            for name, url in urls.items()
        },
        "deployments": {name: {"provider": name, "model": MODEL} for name in urls},
        "routes": {"answer": {"task": "chat", "pick": {"weighted": dict.fromkeys(urls, 1)}}},
        "log": {"to": "none"},
    } | more


class RouterClient:
    """LiteLLM's Router. It knows no deadline of a call, so one is put around it."""

    def __init__(self, urls: Mapping[str, str], label: str = "litellm Router", **settings: Any) -> None:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or its import asks the network for prices
        import litellm

        litellm.suppress_debug_info = True
        self.label = label
        self._router = litellm.Router(
            model_list=[
                {
                    "model_name": "answer",
                    "litellm_params": {
                        "model": f"openai/{MODEL}",
                        "api_base": f"{url}/v1",
                        "api_key": "sk-benchmark",
                        "weight": 1,
                    },
                }
                for url in urls.values()
            ],
            num_retries=2,
            **settings,
        )

    async def chat(self, deadline_s: float) -> None:
        """See `Client`."""
        async with asyncio.timeout(deadline_s):
            await self._router.acompletion("answer", [{"role": "user", "content": QUESTION}])

    async def stream(self, deadline_s: float) -> None:
        """See `Client`."""
        async with asyncio.timeout(deadline_s):
            answer = await self._router.acompletion("answer", [{"role": "user", "content": QUESTION}], stream=True)
            async for _ in answer:
                pass

    async def close(self) -> None:
        """See `Client`."""
        self._router.reset()


def tuned_router(urls: Mapping[str, str]) -> RouterClient:
    """The Router with the settings its documentation offers against outages."""
    return RouterClient(
        urls,
        "litellm Router, tuned",
        timeout=10,
        stream_timeout=5,
        allowed_fails=3,
        cooldown_time=15,
        enable_weighted_failover=True,
    )


CLIENTS: Mapping[str, Any] = {
    "orchestrator": OrchestratorClient,
    "litellm": RouterClient,
    "litellm-tuned": tuned_router,
}
