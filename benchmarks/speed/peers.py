"""The libraries that are compared. Each does the same work against the same server, as its documentation shows it.

A peer is built inside a running event loop, by a function that takes the base URL (which ends in `/v1`). Whatever it
has of retries and fallbacks is armed; none of them but this project keeps limits, prices or a log.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from speed import canned
from speed.honest import check_log, honest_config

__all__ = ["MODULES", "PEERS", "Answer", "Peer", "right"]

Answer: TypeAlias = "tuple[str | Sequence[Sequence[float]], int]"
"""The text or the vectors, and the tokens read."""

Ask: TypeAlias = Callable[[], Awaitable[Answer]]

_HEADERS = {"authorization": f"Bearer {canned.KEY}"}
_CHAT = {"model": canned.CHAT_MODEL, "messages": canned.MESSAGES}
_STREAM = _CHAT | {"stream": True, "stream_options": {"include_usage": True}}
_EMBED = {"model": canned.EMBED_MODEL, "input": canned.TEXTS}
_POOL = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a library can be asked for; None for what it has not, or what is not worth comparing."""

    chat: Ask
    stream: Ask | None = None
    embed: Ask | None = None
    close: Callable[[], Awaitable[None]] | None = None
    verify: Callable[[int], None] | None = None
    """Looks at what so many calls left behind, after `close`."""


def right(task: str, answer: Answer) -> bool:
    """Whether everything came."""
    content, tokens = answer
    if task == "embed":
        return canned.right_vectors(content) and tokens == 8 * len(canned.TEXTS)  # type: ignore[arg-type]
    return content == canned.TEXT and tokens == canned.INPUT_TOKENS


def _read_events(lines: Iterable[str]) -> Answer:
    pieces, tokens = [], 0
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            event = json.loads(line[6:])
            pieces += [choice["delta"].get("content") or "" for choice in event["choices"]]
            if event["usage"]:
                tokens = event["usage"]["prompt_tokens"]
    return "".join(pieces), tokens


def _read_chat(reply: Mapping[str, Any]) -> Answer:
    return reply["choices"][0]["message"]["content"], reply["usage"]["prompt_tokens"]


def _read_vectors(reply: Mapping[str, Any]) -> Answer:
    return [row["embedding"] for row in reply["data"]], reply["usage"]["prompt_tokens"]


def bare_aiohttp(base: str, in_flight: int) -> Peer:
    """What every ratio is to: a session, `json` and nothing else."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=max(in_flight, _POOL)), headers=_HEADERS)

    async def chat() -> Answer:
        async with session.post(base + "/chat/completions", json=_CHAT) as reply:
            return _read_chat(json.loads(await reply.read()))

    async def stream() -> Answer:
        async with session.post(base + "/chat/completions", json=_STREAM) as reply:
            return _read_events([line.decode().rstrip("\r\n") async for line in reply.content])

    async def embed() -> Answer:
        async with session.post(base + "/embeddings", json=_EMBED) as reply:
            return _read_vectors(json.loads(await reply.read()))

    return Peer(chat=chat, stream=stream, embed=embed, close=session.close)


def bare_httpx(base: str, in_flight: int) -> Peer:
    """A client, `json` and nothing else."""
    import httpx

    size = max(in_flight, _POOL)
    client = httpx.AsyncClient(
        limits=httpx.Limits(max_connections=size, max_keepalive_connections=size), timeout=60, headers=_HEADERS
    )

    async def chat() -> Answer:
        return _read_chat((await client.post(base + "/chat/completions", json=_CHAT)).json())

    async def stream() -> Answer:
        async with client.stream("POST", base + "/chat/completions", json=_STREAM) as reply:
            return _read_events([line async for line in reply.aiter_lines()])

    async def embed() -> Answer:
        return _read_vectors((await client.post(base + "/embeddings", json=_EMBED)).json())

    return Peer(chat=chat, stream=stream, embed=embed, close=client.aclose)


def openai_sdk(base: str, in_flight: int) -> Peer:
    """OpenAI's own package."""
    import openai

    client = openai.AsyncOpenAI(base_url=base, api_key=canned.KEY)

    async def chat() -> Answer:
        reply = await client.chat.completions.create(**_CHAT)
        return reply.choices[0].message.content, reply.usage.prompt_tokens

    async def stream() -> Answer:
        return await _read_chunks(await client.chat.completions.create(**_STREAM))

    async def embed() -> Answer:
        reply = await client.embeddings.create(**_EMBED)
        return [row.embedding for row in reply.data], reply.usage.prompt_tokens

    return Peer(chat=chat, stream=stream, embed=embed)


async def _read_chunks(chunks: Any) -> Answer:
    pieces, tokens = [], 0
    async for chunk in chunks:
        pieces += [choice.delta.content or "" for choice in chunk.choices]
        if getattr(chunk, "usage", None):
            tokens = chunk.usage.prompt_tokens
    return "".join(pieces), tokens


def anthropic_sdk(base: str, in_flight: int) -> Peer:
    """Anthropic's own package, on its own API."""
    import anthropic

    client = anthropic.AsyncAnthropic(base_url=base.removesuffix("/v1"), api_key=canned.KEY)

    async def chat() -> Answer:
        reply = await client.messages.create(model=canned.CLAUDE_MODEL, messages=canned.MESSAGES, max_tokens=200)
        return reply.content[0].text, reply.usage.input_tokens

    return Peer(chat=chat)


def litellm_router(base: str, in_flight: int) -> Peer:
    """LiteLLM's Router: two deployments, two retries, limits."""
    import litellm

    def rows(name: str, model: str) -> list[dict[str, Any]]:
        settings = {"model": model, "api_base": base, "rpm": 10**9, "tpm": 10**12}
        keys = (canned.KEY, canned.KEY + "-2")
        return [{"model_name": name, "litellm_params": settings | {"api_key": key}} for key in keys]

    models = rows("answer", f"openai/{canned.CHAT_MODEL}") + rows("search", f"openai/{canned.EMBED_MODEL}")
    router = litellm.Router(model_list=models, num_retries=2)

    async def chat() -> Answer:
        reply = await router.acompletion(model="answer", messages=canned.MESSAGES)
        return reply.choices[0].message.content, reply.usage.prompt_tokens

    async def stream() -> Answer:
        return await _read_chunks(
            await router.acompletion(
                model="answer", messages=canned.MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        )

    async def embed() -> Answer:
        reply = await router.aembedding(model="search", input=canned.TEXTS)
        return [row["embedding"] for row in reply.data], reply.usage.prompt_tokens

    return Peer(chat=chat, stream=stream, embed=embed)


def tensorzero_embedded(base: str, in_flight: int) -> Peer:
    """TensorZero's gateway, embedded in the process, without its database."""
    from tensorzero import AsyncTensorZeroGateway

    config = Path(tempfile.mkdtemp()) / "tensorzero.toml"
    config.write_text(
        "[gateway]\nobservability.enabled = false\ndisable_pseudonymous_usage_analytics = true\n"
        '[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "openai"\n'
        f'model_name = "{canned.CHAT_MODEL}"\napi_base = "{base}/"\napi_key_location = "env::OPENAI_API_KEY"\n'
    )
    gateway = AsyncTensorZeroGateway.build_embedded(config_file=str(config), async_setup=False)

    async def chat() -> Answer:
        reply = await gateway.inference(model_name="m", input={"messages": canned.MESSAGES})
        return reply.content[0].text, reply.usage.input_tokens

    return Peer(chat=chat)


def pydantic_ai(base: str, in_flight: int) -> Peer:
    """pydantic-ai's direct requests, with a fallback."""
    from pydantic_ai.direct import model_request
    from pydantic_ai.messages import ModelRequest
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    one = OpenAIChatModel(canned.CHAT_MODEL, provider=OpenAIProvider(base_url=base, api_key=canned.KEY))
    model = FallbackModel(one, one)

    async def chat() -> Answer:
        reply = await model_request(model, [ModelRequest.user_text_prompt(canned.MESSAGES[0]["content"])])
        return reply.parts[0].content, reply.usage.input_tokens

    return Peer(chat=chat)


def langchain(base: str, in_flight: int) -> Peer:
    """LangChain's OpenAI chat model, with a fallback."""
    from langchain_openai import ChatOpenAI

    def one() -> Any:
        return ChatOpenAI(model=canned.CHAT_MODEL, base_url=base, api_key=canned.KEY)

    model = one().with_fallbacks([one()])

    async def chat() -> Answer:
        reply = await model.ainvoke([("user", canned.MESSAGES[0]["content"])])
        return reply.content, reply.usage_metadata["input_tokens"]

    return Peer(chat=chat)


def orchestrator(base: str, in_flight: int) -> Peer:
    """What this project does in production; see `honest.py`. Writing the log out is part of what is measured."""
    from orchestrator import AsyncOrchestrator

    log = Path(tempfile.mkdtemp()) / "calls.jsonl"
    llm = AsyncOrchestrator(honest_config(log, [base, base]))

    async def chat() -> Answer:
        reply = await llm.chat("answer", canned.MESSAGES)
        return reply.text, reply.usage.input_tokens or 0

    async def stream() -> Answer:
        async with llm.stream("answer", canned.MESSAGES) as events:
            pieces = [text async for text in events.text]
        return "".join(pieces), events.reply.usage.input_tokens or 0

    async def embed() -> Answer:
        reply = await llm.embed("search", canned.TEXTS)
        return reply.vectors, reply.usage.input_tokens or 0

    return Peer(chat=chat, stream=stream, embed=embed, close=llm.close, verify=partial(check_log, log))


PEERS: Mapping[str, Callable[[str, int], Peer]] = {
    "orchestrator": orchestrator,
    "aiohttp": bare_aiohttp,
    "httpx": bare_httpx,
    "openai": openai_sdk,
    "anthropic": anthropic_sdk,
    "litellm": litellm_router,
    "tensorzero": tensorzero_embedded,
    "pydantic-ai": pydantic_ai,
    "langchain": langchain,
}
"""By name: builds it for a base URL and the number of calls that will be in flight."""

MODULES: Mapping[str, str] = {
    "orchestrator": "orchestrator",
    "aiohttp": "aiohttp",
    "httpx": "httpx",
    "openai": "openai",
    "anthropic": "anthropic",
    "litellm": "litellm",
    "tensorzero": "tensorzero",
    "pydantic-ai": "pydantic_ai.models.openai",
    "langchain": "langchain_openai",
}
"""What an application imports to use it."""
