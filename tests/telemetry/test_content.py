"""Content: nowhere unless a route says so, and then redacted, bounded, and left out when redaction fails."""

from __future__ import annotations

import json
import logging

import pytest
from log_events import call
from test_required_log import config
from vendor import completion, sse

from orchestrator import Message, Orchestrator, Text
from orchestrator.spec.events import CallContent
from orchestrator.telemetry.content import ContentLines
from orchestrator.telemetry.redaction import redactor
from orchestrator.testing import ScriptedTransport
from orchestrator.types.chat import ChatRequest, Media, ToolCall

PROMPT, REPLY = "prompt-marked-7f3a", "reply-marked-9c1d"


def run(tmp_path, values, stream=False, **seams):
    transport = ScriptedTransport(lambda _: sse(REPLY) if stream else completion(REPLY))
    with Orchestrator(values, transport=transport, **seams) as llm:
        if stream:
            with llm.stream("answer", PROMPT) as opened:
                list(opened)
        else:
            llm.chat("answer", f"{PROMPT} of jane@example.com", tenant="acme")
    return "".join(path.read_text() for path in sorted(tmp_path.rglob("*.jsonl")))


def route(values, **more):
    values["routes"]["answer"] |= more
    return values


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_off_by_default(tmp_path, caplog, stream):
    """Without `log_content` no file, logger or event shows what was asked or answered."""
    heard = []
    with caplog.at_level(logging.DEBUG):
        values = config(tmp_path / "calls.jsonl", content={"path": str(tmp_path / "content.jsonl")})
        written = run(tmp_path, values, stream=stream, sinks=[heard.append])
    assert "llm.call" in written
    assert not [mark for mark in (PROMPT, REPLY) if mark in written + caplog.text + repr(heard)]
    assert heard[0].content is None


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_a_line_of_its_own(tmp_path, stream):
    """With it, request and reply stand in a line of their own, joined by the call's id; the call's line has neither."""
    values = config(tmp_path / "calls.jsonl", content={"path": str(tmp_path / "content.jsonl")})
    run(tmp_path, route(values, log_content=True), stream=stream)
    (line,) = (tmp_path / "calls.jsonl").read_text().splitlines()
    content = json.loads((tmp_path / "content.jsonl").read_text())
    assert PROMPT not in line
    assert (content["event"], content["call_id"]) == ("llm.content", json.loads(line)["call_id"])
    assert PROMPT in json.dumps(content["request"])
    assert REPLY in json.dumps(content["reply"])
    assert "jane@example.com" not in json.dumps(content)


def test_beside_the_calls(tmp_path):
    """Without a path of its own, content goes where the calls go."""
    written = run(tmp_path, route(config(tmp_path / "calls.jsonl"), log_content=True))
    assert sorted(json.loads(line)["event"] for line in written.splitlines()) == ["llm.call", "llm.content"]


def test_own_redactor(tmp_path):
    """A redactor given in code sees every text after the named ones; one that fails leaves the content out."""
    seen = []
    values = route(config(tmp_path / "calls.jsonl"), log_content=True)
    written = run(tmp_path, values, redactor=lambda text: seen.append(text) or text.replace(PROMPT, "X"))
    assert PROMPT not in written
    assert any("[emails]" in text for text in seen)

    def failing(text):
        raise ValueError(text)

    written = run(tmp_path, values, redactor=failing)
    assert PROMPT not in written
    last = [json.loads(line) for line in written.splitlines() if "llm.content" in line][-1]
    assert (last["request"], last["reply"], last["left_out"]) == (None, None, "the redactor failed: ValueError")


def rendered(*parts, max_line=64_000, names=()):
    request = ChatRequest(messages=(Message("user", parts),))
    return ContentLines([redactor(names)], max_line=max_line)(call(content=CallContent(request, None)))


def test_bounded():
    """A long text is cut until the line fits, and says so; what cannot be cut enough is left out."""
    found = rendered(Text("x" * 100_000), Text("short"), max_line=2_000)
    assert found["cut"]
    assert len(json.dumps(found)) <= 2_000
    assert "(100000 characters)" in json.dumps(found, ensure_ascii=False)
    assert rendered(*[Text("x")] * 1_000, max_line=2_000)["left_out"].startswith("longer than 2000 bytes")


def test_media_and_tools():
    """Of media only type, size and address without its query are written; tool arguments are redacted too."""
    found = rendered(
        Media(media_type="image/png", data=b"secret-bytes"),
        Media(media_type="image/png", url="https://h/p.png?sig=secret-sig"),
        ToolCall(id="1", name="mail", arguments={"to": "a@b.example"}),
        names=("emails",),
    )
    text = json.dumps(found)
    assert not [one for one in ("secret-bytes", "secret-sig", "a@b.example") if one in text]
    assert '"bytes": 12' in text
    assert '"to": "[emails]"' in text


@pytest.mark.parametrize(
    ("name", "text", "gone"),
    [
        ("emails", "to jane.doe+x@mail.example.co.uk now", "jane.doe"),
        ("cards", "pay 4111 1111 1111 1111 now", "4111"),
        ("cards", "pay 378282246310005.", "3782"),
        ("phones", "call +49 (0)30 901820 now", "901820"),
        ("phones", "call (555) 123-4567", "4567"),
        ("ibans", "IBAN DE89 3704 0044 0532 0130 00 please", "3704"),
        ("keys", "use sk-proj-abcdefghijklmnop1234", "abcdefgh"),
        ("keys", "AKIAIOSFODNN7EXAMPLE", "IOSFO"),
        ("keys", 'password: "hunter22"', "hunter22"),
        ("keys", "Authorization: Bearer abcdef0123456789abcd", "abcdef0123"),
    ],
)
def test_named_redactions(name, text, gone):
    """Each named redaction takes out what it is named for and leaves the words around it."""
    cleaned = redactor([name])(text)
    assert gone not in cleaned
    assert f"[{name}]" in cleaned


@pytest.mark.parametrize(
    "text", ["order 4111 1111 1111 1112", "version 1.2.3", "in 2026-11-23", "sk-", "a@b", "DE89 3704 0044 0532 0130 01"]
)
def test_what_stays(text):
    """A number that fails its check digits, a version, a date and half an address are left as they are."""
    assert redactor(["cards", "emails", "keys", "ibans"])(text) == text
