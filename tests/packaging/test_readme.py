"""What `providers/README.md` shows works: the row is a vendor, and the wire obeys the conformance suite's claims."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from readme_blocks import README, blocks

from orchestrator.errors import MalformedReply, Overloaded, UnsupportedFeature
from orchestrator.spec.provider import ChatCodec, Failure, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ChatOptions, ChatRequest, Message, Text, Tool
from orchestrator.types.collect import collect
from orchestrator_providers import vendors

sys.path.insert(0, str(Path(__file__).parents[1] / "providers" / "conformance"))

from hostile import GARBAGE
from streams import check_events, check_result, cut, failure, read
from wire_sample import sse

pytestmark = pytest.mark.skipif(not README.is_file(), reason="the sources are not part of this installation")
ASK = ChatRequest(messages=(Message("user", (Text("Hello"),)),))
WHOLE = {"text": "Hello there.", "why": "done", "tokens": {"in": 9, "out": 4}}
STREAM = [sse({"piece": "Hello "}), sse({"piece": "there."}), sse({"why": "done", "tokens": {"in": 9, "out": 4}})]
EXECUTED_ELSEWHERE = {"pyproject.toml", "orchestrator.yaml", "app.py"}


def _chat() -> ChatCodec:
    module = ModuleType("acme_models")
    exec(compile(blocks()["acme_models/__init__.py"], "acme_models", "exec"), module.__dict__)
    wire: Wire = module.WIRE
    target = Target(profile=wire.profile, provider="p", deployment="d", model="talker-1", base_url="http://acme.test")
    codec = wire.bind(target).chat
    assert codec is not None
    return codec


def test_every_block_is_executed() -> None:
    """Each block of the page is run by a test here, or by that of the third-party package."""
    assert set(blocks()) == {"a row of vendors.py", "acme_models/__init__.py"} | EXECUTED_ELSEWHERE


def test_the_row_is_a_vendor() -> None:
    """The row evaluates among the rows to a wire that writes what its quirks say."""
    wire: Wire = eval(blocks()["a row of vendors.py"], dict(vars(vendors)))
    profile = wire.profile
    assert (profile.kind, profile.api_key_env, profile.tested) == ("acme_gateway", ("ACME_API_KEY",), False)
    target = Target(profile=profile, provider="p", deployment="d", model="m", base_url=profile.base_url or "")
    codec = wire.bind(target).chat
    assert codec is not None
    found = codec.encode(ChatRequest(messages=ASK.messages, options=ChatOptions(max_output_tokens=5, seed=7)))
    body: dict[str, Any] = orjson.loads(found.request.body)
    assert found.request.url == "https://gateway.acme.example/v1/chat/completions"
    assert body["max_completion_tokens"] == 5
    assert "seed" not in body
    assert [warning.setting for warning in found.warnings] == ["seed"]


def test_the_wire_collects_its_stream_to_the_whole_reply() -> None:
    """The page's wire reads its stream, cut anywhere, as it reads the same answer whole."""
    codec = _chat()
    whole = codec.decode(HttpReply(200, {}, orjson.dumps(WHOLE)))
    check_result(whole)
    body = b"".join(STREAM)
    for place in range(len(body)):
        events = read(codec, cut(body, [place]))
        check_events(events)
        assert collect(events) == whole  # type: ignore[arg-type]


def test_the_wire_tells_half_an_answer() -> None:
    """Without its terminal signal a stream of the page's wire is an error; an error in it is that error."""
    codec = _chat()
    for count in range(len(STREAM)):
        assert isinstance(failure(read(codec, STREAM[:count])), MalformedReply)
    broken = read(codec, [STREAM[0], sse({"problem": "x", "code": "busy"})])
    assert isinstance(broken[-1], Failure)
    assert isinstance(broken[-1].error, Overloaded)
    for body in GARBAGE:
        with pytest.raises(MalformedReply):
            codec.decode(HttpReply(200, {}, body))
        assert isinstance(failure(read(codec, [body])), MalformedReply)


def test_the_wire_loses_nothing_in_silence() -> None:
    """Settings it cannot take are warned about, features it lacks are refused."""
    codec = _chat()
    found = codec.encode(ChatRequest(messages=ASK.messages, options=ChatOptions(temperature=0.5, max_output_tokens=9)))
    assert orjson.loads(found.request.body)["limit"] == 9
    assert [(warning.kind, warning.setting) for warning in found.warnings] == [("unsupported", "temperature")]
    with pytest.raises(UnsupportedFeature):
        codec.encode(ChatRequest(messages=ASK.messages, tools=(Tool(name="f"),)))
