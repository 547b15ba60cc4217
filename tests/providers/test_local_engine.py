"""Embeddings and rankings in this process: real retrieval, offline, without wordllama's own code."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from orchestrator import AsyncOrchestrator, Orchestrator
from orchestrator.errors import CallTimeout, ConfigError, InvalidRequest, ServerError, UnsupportedFeature
from orchestrator.registry import find, kinds
from orchestrator.spec.provider import Target
from orchestrator.types import ChatRequest, Message, Text
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, RerankOptions, RerankRequest
from orchestrator_providers.local import ENGINE, loading
from orchestrator_providers.local.engine import LocalEngine, open_engine
from orchestrator_providers.local.profile import MODELS, LocalModel

pytest.importorskip("wordllama")

MODEL = "wordllama/l2_supercat_256"
T = TypeVar("T")

# Each question shares no telling word with the document that answers it.
QUESTIONS = {
    "How do I get my money back?": "Refunds are paid to the card you bought with, within ten days.",
    "Is there a concert this evening?": "The orchestra plays a symphony by Brahms tonight.",
    "Who triumphed in the soccer match?": "The football team won the final after extra time.",
    "Will it be wet weather in the hills?": "Heavy rain is expected over the mountains tomorrow.",
    "What should I cook with noodles?": "Boil the pasta in salted water and serve it with tomato sauce.",
    "Can I alter my secret login word?": "Passwords are changed under security in the account settings.",
    "When does the train leave?": "Railway departures from the central station are at eight and at noon.",
}
OTHERS = (
    "The museum shows paintings from the seventeenth century.",
    "Our office is closed on public holidays.",
    "Volcanoes erupt when molten rock rises to the surface.",
    "Photosynthesis turns sunlight into sugar in plants.",
    "A cat makes a soft rumbling sound when it is content.",
    "A hammer and nails are needed to hang the picture.",
    "The novel tells the story of a family in Lisbon.",
    "Diamonds are made of carbon under great pressure.",
    "The court found the company guilty of fraud.",
    "Astronomers discovered a planet around a distant star.",
    "The vaccine protects children against measles.",
    "Engineers built a bridge across the river.",
    "Interest rates were raised by the central bank.",
)
DOCUMENTS = [*OTHERS, *QUESTIONS.values()]
assert len(DOCUMENTS) == 20


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def target(model: str = MODEL) -> Target:
    return Target(profile=ENGINE.profile, provider="p", deployment="d", model=model, base_url="")


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    opened = open_engine(target())
    assert isinstance(opened, LocalEngine)
    opened.warm_up()
    return opened


def embed(engine: LocalEngine, texts: Sequence[str], **options: Any) -> Any:
    request = EmbedRequest(texts=tuple(texts), options=EmbedOptions(**options))

    async def call() -> list[Any]:  # in a list: `asyncio.run` writes out a bare result's repr
        return [await engine.embed(request, timeout_s=30)]

    return run(call())[0]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def config(**more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "providers": {"here": {"kind": "local"}},
        "deployments": {"words": {"provider": "here", "model": MODEL}},
        "routes": {"search": {"task": "embed", "pick": "words"}, "rank": {"task": "rerank", "pick": "words"}},
        "log": {"to": "none"},
    } | more


def test_the_kind_is_bundled_and_free() -> None:
    """`kind: local` is found; it embeds and reranks, without a key or an address."""
    assert find("local") is ENGINE
    assert "local" in kinds()
    assert ENGINE.profile.tasks == {"embed", "rerank"}
    assert (ENGINE.profile.key_required, ENGINE.profile.base_url, ENGINE.profile.free) == (False, "", True)


def test_questions_find_their_documents_by_vectors() -> None:
    """Through a whole client, each question's nearest of twenty documents is the one that answers it."""
    with Orchestrator(config()) as llm:
        documents = llm.embed("search", DOCUMENTS, deadline=30)
        questions = llm.embed("search", list(QUESTIONS), deadline=30)
    assert documents.dimensions == 256
    for question, vector in zip(QUESTIONS, questions.vectors, strict=True):
        scores = [dot(vector, other) for other in documents.vectors]
        assert DOCUMENTS[scores.index(max(scores))] == QUESTIONS[question], question


def test_questions_find_their_documents_by_ranking() -> None:
    """Reranking puts the answer first of twenty, and cuts where it is told to."""

    async def scenario() -> None:
        async with AsyncOrchestrator(config()) as llm:
            for question, answer in QUESTIONS.items():
                reply = await llm.rerank("rank", query=question, documents=DOCUMENTS, top_n=3, deadline=30)
                assert len(reply.results) == 3
                assert DOCUMENTS[reply.results[0].index] == answer
                scores = [item.score for item in reply.results]
                assert scores == sorted(scores, reverse=True)
                assert all(-1.0 <= score <= 1.0 for score in scores)

    run(scenario())


def test_a_call_costs_nothing_and_counts_its_tokens() -> None:
    """Usage is the tokenizer's own count, and the cost is zero, not unknown."""
    with Orchestrator(config()) as llm:
        reply = llm.embed("search", ["hello world", "hello"])
        ranking = llm.rerank("rank", query="hello", documents=["hello world"])
    assert reply.usage is not None
    assert (reply.usage.source, reply.usage.output_tokens) == ("vendor", None)
    assert reply.usage.input_tokens == 3
    assert ranking.usage is not None
    assert ranking.usage.input_tokens == 3
    for cost in (reply.cost, ranking.cost):
        assert (cost.total, cost.unknown, cost.estimated) == (0, None, False)
    assert reply.space.endswith("@256")


def test_a_price_in_the_file_is_a_price() -> None:
    """Who charges inside the house writes a price, and it holds."""
    priced = config()
    priced["deployments"]["words"]["price"] = {"input": 1_000_000}
    with Orchestrator(priced) as llm:
        assert llm.embed("search", "hello").cost.total == 1


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(engine: LocalEngine) -> None:
    """The same text has the same vector, alone or among many, to the last bit."""
    many = [f"{text} {number}" for number in range(40) for text in DOCUMENTS]
    together = embed(engine, many).vectors
    assert all(math.isclose(dot(vector, vector), 1.0, abs_tol=1e-5) for vector in together)
    assert [embed(engine, [text]).vectors[0] for text in many[::97]] == together[::97]


@pytest.mark.parametrize("dimensions", [64, 128, 256])
def test_vectors_are_cut_where_the_model_allows_it(engine: LocalEngine, dimensions: int) -> None:
    """A shorter vector is the beginning of the whole one, with length 1 again."""
    short = embed(engine, ["hello world"], dimensions=dimensions).vectors[0]
    whole = embed(engine, ["hello world"]).vectors[0]
    assert len(short) == dimensions
    assert dot(short, short) == pytest.approx(1.0, abs=1e-5)
    scale = short[0] / whole[0]
    assert list(short) == pytest.approx([value * scale for value in whole[:dimensions]], abs=1e-6)


def test_other_sizes_are_refused(engine: LocalEngine) -> None:
    """A size the model was not trained for is an error, not a worse vector."""
    with pytest.raises(UnsupportedFeature, match="64, 128, 256"):
        embed(engine, ["hello"], dimensions=100)


def test_vectors_equal_wordllamas_own() -> None:
    """The package's own code gives the same vectors, in a process of its own: its import sets up the root logger."""
    script = """
        import json, sys
        from pathlib import Path
        import wordllama
        model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
        texts = json.load(sys.stdin)
        print(json.dumps(model.embed(texts, norm=True).tolist()))
    """
    texts = [*DOCUMENTS, "Ünïcödé 漢字 🦙", " ", "a" * 5000]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    opened = open_engine(target())
    assert isinstance(opened, LocalEngine)
    for ours, theirs in zip(embed(opened, texts).vectors, json.loads(done.stdout), strict=True):
        assert list(ours) == pytest.approx(theirs, abs=2e-6)


def test_nothing_reaches_for_the_network_or_the_root_logger() -> None:
    """A process that may not open a socket outside itself embeds and ranks; wordllama is not imported, and the
    application's logging is as it was.
    """
    script = f"""
        import logging, sys
        def guard(event, arguments):
            if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
                raise RuntimeError(f"network: {{event}} {{arguments}}")
        sys.addaudithook(guard)
        from orchestrator import Orchestrator
        with Orchestrator({config()!r}) as llm:
            assert len(llm.embed("search", "hello", deadline=60).vectors[0]) == 256
            assert llm.rerank("rank", query="cat", documents=["dog", "a cat"]).results[0].index == 1
        assert "wordllama" not in sys.modules and "requests" not in sys.modules
        assert not logging.root.handlers
        print("fine")
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "fine\n", done.stderr
    assert done.stderr == ""


def test_the_event_loop_goes_on_meanwhile(engine: LocalEngine) -> None:
    """While a megabyte of text is embedded, other tasks are never held up for long."""
    gaps: list[float] = []

    async def scenario() -> None:
        work = asyncio.create_task(engine.embed(EmbedRequest(texts=("the quick brown fox " * 50_000,)), timeout_s=60))
        last = time.perf_counter()
        while not work.done():
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    run(scenario())
    assert len(gaps) > 5
    assert sorted(gaps)[len(gaps) // 2] < 0.1


def test_a_deadline_holds(engine: LocalEngine) -> None:
    """Work that takes longer than the call may is given up between two slices."""
    request = EmbedRequest(texts=tuple(DOCUMENTS) * 2000)
    begin = time.perf_counter()
    with pytest.raises(CallTimeout) as raised:
        run(engine.embed(request, timeout_s=0.02))
    assert raised.value.kind == "deadline"
    assert time.perf_counter() - begin < 5


def test_close_frees_the_model_and_a_later_call_loads_it_again() -> None:
    """Engines of one model share it; when the last lets go it is gone, and comes back when it is needed."""
    gc.collect()
    one, other = open_engine(target()), open_engine(target())
    assert isinstance(one, LocalEngine)
    assert isinstance(other, LocalEngine)
    one.warm_up()
    other.warm_up()
    assert one._model is other._model
    before = embed(one, ["hello"]).vectors
    run(one.close())
    run(one.close())
    assert one._model is None
    assert other._model is not None
    assert embed(one, ["hello"]).vectors == before
    assert one._model is other._model


def test_loading_once_from_many_threads() -> None:
    """However many calls come first at once, the files are read once."""
    reads: list[str] = []

    def load(name: str, model: LocalModel) -> loading.Model:
        reads.append(name)
        return loading.load(name, model)

    engine = LocalEngine(MODEL, MODELS[MODEL], load=load)

    async def scenario() -> list[Any]:
        request = EmbedRequest(texts=("hello",))
        return [await asyncio.gather(*[engine.embed(request, timeout_s=30) for _ in range(8)])]

    replies = run(scenario())[0]
    assert len({tuple(reply.vectors[0]) for reply in replies}) == 1
    run(scenario())
    assert len(reads) <= 8  # who came while it was being loaded asked for it, and got the same one


def test_fork() -> None:
    """A child that was forked from a process with a loaded model embeds as its parent does."""
    script = f"""
        import os, sys
        from orchestrator import Orchestrator
        with Orchestrator({config()!r}) as llm:
            parent = llm.embed("search", "hello").vectors
            child = os.fork()
            if child == 0:
                os._exit(0 if llm.embed("search", "hello").vectors == parent else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            print("fine")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "fine\n", done.stderr
    assert done.stderr == ""


def test_what_the_model_cannot_take_is_left_out_with_a_warning(engine: LocalEngine) -> None:
    """The model embeds queries and documents alike and has no options of its own; the caller is told."""
    result = embed(engine, ["hello"], input_type="query", provider_options={"local": {"magic": 1}, "other": {"x": 1}})
    assert [(warning.kind, warning.setting) for warning in result.warnings] == [
        ("unsupported", "magic"),
        ("unsupported", "input_type"),
    ]
    request = RerankRequest(query="a", documents=("b",), options=RerankOptions(provider_options={"local": {"x": 1}}))
    assert [w.setting for w in run(engine.rerank(request, timeout_s=30)).warnings] == ["x"]


def test_a_text_without_a_token_is_refused(engine: LocalEngine) -> None:
    """Nothing has no direction: a vector of zeros would be near to everything."""
    with pytest.raises(InvalidRequest, match="without any token"):
        embed(engine, ["hello", ""])


def test_a_missing_package_is_an_error_with_the_command() -> None:
    """Without the extra the client is not built, and the error says what to type."""
    with pytest.raises(ConfigError, match=r"\(wordllama\): pip install 'model-orchestrator\[local\]'"):
        loading.require(MODELS[MODEL], find=lambda name: None if name == "wordllama" else object())


def test_an_unknown_model_is_an_error_with_the_nearest() -> None:
    """A model that ships nowhere is refused when the client is built."""
    with pytest.raises(ConfigError, match="did you mean 'wordllama/l2_supercat_256'"):
        open_engine(target("wordllama/l2_supercat_128"))
    with pytest.raises(ConfigError, match="there are: wordllama/l2_supercat_256"):
        open_engine(target("bert"))


def test_chat_is_refused_when_the_file_is_loaded() -> None:
    """There is no model to chat with, and the configuration says so with its key."""
    routes = {"answer": {"task": "chat", "pick": "words"}}
    with pytest.raises(ConfigError, match="chat"):
        Orchestrator(config(routes=routes))


def test_chat_is_refused_by_the_engine_too(engine: LocalEngine) -> None:
    """Who comes past the configuration gets the same answer, whole or in events."""
    request = ChatRequest(messages=(Message("user", (Text("hi"),)),))
    with pytest.raises(UnsupportedFeature):
        run(engine.chat(request, timeout_s=1))

    async def stream() -> None:
        async for _ in engine.stream(request, timeout_s=1):
            pass

    with pytest.raises(UnsupportedFeature):
        run(stream())


def test_a_wheel_without_the_files_is_a_configuration_error() -> None:
    """Another release of the package may have other files; what is missing is not sought anywhere else."""
    elsewhere = LocalModel(
        package="wordllama", weights="no.safetensors", tokenizer="no.json", tensor="t", dimensions=(2,)
    )
    with pytest.raises(ConfigError, match="reinstall"):
        loading.load("wordllama/none", elsewhere)
    absent = LocalModel(package="no_such_package", weights="w", tokenizer="t", tensor="t", dimensions=(2,))
    with pytest.raises(ConfigError, match="reinstall"):
        loading.load("none/none", absent)


def test_no_text_is_in_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the model's libraries raise, the texts stay out of the error, its causes and the log."""

    class Broken(loading.Model):
        def __init__(self) -> None:
            super().__init__(None, None, None)

        def embed(self, texts: Sequence[str], dimensions: int) -> Any:
            raise ValueError(f"cannot encode {texts[0]}")

    engine = LocalEngine(MODEL, MODELS[MODEL], load=lambda name, model: Broken())
    with caplog.at_level(logging.DEBUG), pytest.raises(ServerError) as raised:
        run(engine.embed(EmbedRequest(texts=("my secret",)), timeout_s=5))
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert not raised.value.retryable
    assert "secret" not in caplog.text
