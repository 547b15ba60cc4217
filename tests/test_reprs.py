"""What a developer sees at a prompt or in a debugger: one readable line, without content or secrets."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from orchestrator import (
    ConfigError,
    Cost,
    Orchestrator,
    RateLimited,
    Usage,
    testing,
)

FILE = {
    "version": 1,
    "providers": {"acme": {"kind": "openai", "api_key": {"env": "TEST_KEY"}}},
    "deployments": {
        "mini": {"provider": "acme", "model": "gpt-4o-mini"},
        "te3": {"provider": "acme", "model": "text-embedding-3-small", "dimensions": 8},
        "ranker": {"provider": "co", "model": "rerank-v3.5"},
    },
    "routes": {
        "answer": {"task": "chat", "pick": "mini", "deadline": "30s"},
        "search": {"task": "embed", "pick": "te3"},
        "rank": {"task": "rerank", "pick": "ranker"},
    },
}
FILE["providers"]["co"] = {"kind": "cohere", "api_key": {"env": "TEST_KEY"}}
SECRET, PROMPT, REPLY = "sk-test-0123456789abcdef", "What is the pass phrase?", "Sesame."


@pytest.fixture
def llm():
    with testing.use(answer=REPLY, search=True, rank=[1, 0]), Orchestrator(FILE) as llm:
        yield llm


def test_clients_show_file_routes_and_version(llm):
    """A client shows where its configuration is from, which routes it has, and the hash that is on every log line."""
    hash_ = llm.config.config_hash
    told = f"Orchestrator a mapping routes=['answer', 'rank', 'search'] config={hash_}>"
    assert repr(llm) == f"<{told}"
    assert repr(llm.aio) == f"<Async{told}"
    assert repr(llm.config) == f"<Config {told.removeprefix('Orchestrator ')}"


def test_parts_of_a_configuration_show_what_the_file_says(llm):
    """Routes, deployments and providers show their keys that differ from the default, credentials by reference."""
    assert repr(llm.config.routes["search"]) == "RouteConfig(task='embed', pick=PickConfig(names=('te3',)))"
    assert repr(llm.config.deployments["mini"]) == "DeploymentConfig(provider='acme', model='gpt-4o-mini')"
    provider = repr(llm.config.providers["acme"])
    assert provider == "ProviderConfig(kind='openai', api_key=SecretRef(kind='env', name='TEST_KEY'))"
    snapshot = llm.aio._core.snapshot
    assert repr(snapshot.routes["answer"]) == "<Route answer: chat>"
    assert repr(snapshot.deployments["mini"]) == "<Deployment mini: gpt-4o-mini at acme>"
    assert SECRET not in repr(snapshot)


def test_replies_show_size_source_and_price(llm):
    """A reply shows how much came, from whom, at what price and how fast, and nothing of what was said."""
    chat = llm.chat("answer", PROMPT)
    assert re.fullmatch(
        r"<ChatReply 7 characters, stop, mini \(scripted\), \d+ \+ \d+ tokens, [\d.]+ USD, \d+ ms>", repr(chat)
    )
    assert REPLY not in repr(chat)
    embedded = repr(llm.embed("search", [PROMPT, REPLY]))
    assert embedded.startswith("<EmbedReply 2 vectors in text-embedding-3-small@8, te3 (scripted), ")
    assert repr(llm.rerank("rank", query=PROMPT, documents=["a", "b"])).startswith("<RerankReply 2 results, ranker ")


def test_streams_show_how_far_they_are(llm):
    """A stream shows its route and whether it waits, runs, has ended, or was left early."""
    stream = llm.stream("answer", PROMPT)
    assert repr(stream) == "<ChatStream answer: not entered>"
    with stream:
        assert repr(stream) == "<ChatStream answer: open>"
        list(stream)
    assert repr(stream).startswith("<ChatStream answer: <ChatReply 7 characters, stop, mini ")
    with llm.stream("answer", PROMPT) as left:
        pass
    assert repr(left) == "<ChatStream answer: ended early>"


def test_usage_and_cost_show_what_is_known():
    """Numbers that are unknown or at their default take no room."""
    assert repr(Usage(input_tokens=12, output_tokens=0)) == "Usage(input_tokens=12, output_tokens=0)"
    assert repr(Usage()) == "Usage()"
    assert repr(Cost(unknown="no price")) == "Cost(unknown='no price')"
    cost = Cost(total=Decimal("0.001"), buckets={"input": Decimal("0.001")}, price_row="config")
    assert repr(cost) == "Cost(total=Decimal('0.001'), buckets={'input': Decimal('0.001')}, price_row='config')"


def test_errors_show_where_they_come_from():
    """An error shows its class, message, and as much of its origin as is known."""
    error = RateLimited("slow down", deployment="mini", status=429, retry_after=2.0)
    assert repr(error) == "RateLimited('slow down', deployment='mini', status=429, retry_after=2.0)"
    assert repr(ConfigError("wrong")) == "ConfigError('wrong')"
