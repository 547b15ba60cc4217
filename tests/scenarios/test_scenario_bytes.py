"""Scenarios about bytes: real sockets, the whole client, every transport. Numbers as in README.md."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import Any

import orjson
import pytest
from bytes_harness import GOOD, GOOD_STREAM, chat, events, meet, stream, then, writes
from transport_harness import KEY, Make, make_aiohttp, make_httpx
from transport_server import Peer, Request, answer, chunked
from vendor import completion, sse

from orchestrator import ConnectionFailed, InvalidRequest, MalformedReply, Overloaded, ServerError, StreamInterrupted

KEY_SENT = "Bearer sk-test-0123456789abcdef"
ROLE_ONLY = {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}


@pytest.fixture(params=[make_aiohttp, make_httpx], ids=["aiohttp", "httpx"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


async def reset(peer: Peer, request: Request) -> None:
    peer.reset()


def stop(reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]} | more


def usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}}


def body_of(*chunks: Any, done: bool = False) -> bytes:
    return sse(*chunks, done=done).body


def test_10_reset_before_the_request_is_sent(make: Make) -> None:
    """Nobody listens: retried, not billed, and the account's retry budget pays one per failure."""
    met = meet(make, chat, [None])
    assert isinstance(met.result, ConnectionFailed)
    assert met.attempts == ["ConnectionFailed"] * 2
    assert not any(attempt.maybe_billed for attempt in met.result.attempts)
    (account,) = met.llm._core._shared.accounts.values()
    assert account.budget.tokens == 18.0


def test_11_reset_after_the_request_was_sent(make: Make) -> None:
    """No byte of an answer: asked once more at most, both attempts marked as maybe billed, and priced as estimates."""
    met = meet(make, chat, [reset])
    assert isinstance(met.result, ConnectionFailed)
    assert met.requests == [2]
    assert all(attempt.maybe_billed and attempt.cost.estimated for attempt in met.result.attempts)
    assert meet(make, chat, [then(reset, writes(GOOD))]).result.text == "good"


def test_12_reset_before_the_first_payload(make: Make) -> None:
    """A stream that breaks before its first event is a stream from somewhere else, and the caller never knows."""
    first = writes(chunked(body_of(ROLE_ONLY), end=False), end=Peer.reset)
    met = meet(make, stream, [first, writes(GOOD_STREAM)])
    assert (met.result.text, met.texts, met.requests) == ("good", ["good"], [1, 1])


def test_13_reset_after_three_chunks(make: Make) -> None:
    """What was delivered stays delivered: interrupted, with the three pieces, their cost, and no second request."""
    met = meet(make, stream, [writes(chunked(body_of("one", "two", "three"), end=False), end=Peer.reset)])
    assert isinstance(met.result, StreamInterrupted)
    assert (met.texts, met.result.text) == (["one", "two", "three"], "onetwothree")
    assert isinstance(met.result.cause, ConnectionFailed)
    assert met.requests == [1]
    (event,) = events(met)
    assert event.cost.estimated
    assert event.cost.total > 0


@pytest.mark.parametrize("end", [chunked(body_of("half")), b"HTTP/1.1 200 OK\r\n\r\n" + body_of("half")])
def test_14_clean_end_without_a_reason(make: Make, end: bytes) -> None:
    """Bytes that end politely are no end of an answer."""
    met = meet(make, stream, [writes(end, end=Peer.close)])
    assert isinstance(met.result, StreamInterrupted)
    assert isinstance(met.result.cause, MalformedReply)
    assert events(met)[0].status == "error"


def test_15_error_and_then_done(make: Make) -> None:
    """[DONE] after an error proves nothing: the error counts."""
    failing = {"error": {"message": "no room", "code": "server_is_overloaded"}}
    for chunks, kind in ((["one", failing], StreamInterrupted), ([failing], Overloaded)):
        met = meet(make, stream, [writes(chunked(body_of(*chunks) + b"data: [DONE]\n\n"))])
        assert type(met.result) is kind
        assert isinstance(getattr(met.result, "cause", met.result), Overloaded)


def test_16_odd_reasons(make: Make) -> None:
    """Reason "error" is an error; an empty one is not yet a reason."""
    failed = meet(make, stream, [writes(chunked(body_of("one", stop("error"), done=False) + b"data: [DONE]\n\n"))])
    assert isinstance(failed.result, StreamInterrupted)
    empty = {"choices": [{"index": 0, "delta": {"content": "two"}, "finish_reason": ""}]}
    met = meet(make, stream, [writes(chunked(body_of("one", empty, stop(), usage(1, 2)) + b"data: [DONE]\n\n"))])
    assert met.result.text == "onetwo"
    assert met.result.finish_reason.unified == "stop"


def test_17_done_but_the_socket_stays_open(make: Make) -> None:
    """The caller has the answer at once, and the connection is closed (`meet` sees to that)."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(chunked(sse("all").body, end=False))
        await peer.until_gone()

    met = meet(make, stream, [script])
    assert met.result.text == "all"
    assert met.seconds < 1.5


@pytest.mark.parametrize(
    "data",
    [
        answer(completion().body[:-20]),
        answer(b"<html>we are back soon</html>", "content-type: text/html"),
        answer(b""),
        answer(b"null"),
    ],
    ids=["truncated", "html", "empty", "null"],
)
def test_21_what_is_no_answer(make: Make, data: bytes) -> None:
    """200 with something else in it is asked for once more, then it is a malformed reply."""
    met = meet(make, chat, [writes(data)])
    assert isinstance(met.result, MalformedReply)
    assert met.requests == [2]
    assert meet(make, chat, [then(writes(data), writes(GOOD))]).result.text == "good"


def test_21_content_types_are_not_believed(make: Make) -> None:
    """JSON that calls itself something else is read, as an answer and as an error."""
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n"
    body = completion("good").body
    assert meet(make, chat, [writes(head % (200, len(body)) + body)]).result.text == "good"
    refusal = orjson.dumps({"error": {"message": "bad", "code": "invalid_value"}})
    met = meet(make, chat, [writes(head % (400, len(refusal)) + refusal)])
    assert (type(met.result), met.result.vendor_code) == (InvalidRequest, "invalid_value")


def test_22_error_in_a_200(make: Make) -> None:
    """An error body is an error whatever the status says, by the vendor's own code."""
    body = orjson.dumps({"error": {"message": "busy", "code": "server_is_overloaded"}})
    met = meet(make, chat, [writes(answer(body)), writes(GOOD)])
    assert met.attempts == ["Overloaded", None]
    assert met.requests == [1, 1]


def test_23_no_choices(make: Make) -> None:
    """A reply without choices is asked for once more; in a stream it is only where usage comes."""
    met = meet(make, chat, [writes(answer(b'{"choices": []}'))])
    assert isinstance(met.result, MalformedReply)
    assert met.requests == [2]
    met = meet(make, stream, [writes(chunked(body_of("one", stop(), usage(7, 3)) + b"data: [DONE]\n\n"))])
    assert (met.result.usage.input_tokens, met.result.usage.output_tokens) == (7, 3)


def test_24_usage_comes_several_times(make: Make) -> None:
    """The last one counts, and is paid once."""
    counted = [usage(10, 1), "one", usage(10, 2), stop(), usage(10, 40)]
    met = meet(make, stream, [writes(chunked(body_of(*counted) + b"data: [DONE]\n\n"))])
    assert met.result.usage.output_tokens == 40
    assert met.result.cost.total == (10 * Decimal("0.15") + 40 * Decimal("0.60")) / 10**6
    assert events(met)[0].cost == met.result.cost


def test_25_usage_never_comes(make: Make) -> None:
    """It is estimated, and says so, in the reply, in its cost and in the event."""
    met = meet(make, stream, [writes(chunked(body_of("one", stop()) + b"data: [DONE]\n\n"))])
    assert met.result.usage.source == "estimate"
    assert met.result.cost.estimated
    assert events(met)[0].usage.source == "estimate"


def test_26_endless_bodies_and_lines(make: Make) -> None:
    """A body of 100 MB and a line of 2 MB end at their bounds; no more than those is read."""
    sent = 0

    async def flood(peer: Peer, request: Request) -> None:
        nonlocal sent
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n")
        for _ in range(100):
            await peer.send(b" " * 1_048_576)
            sent += 1

    met = meet(make, chat, [flood], retry={"attempts": 1})
    assert isinstance(met.result, MalformedReply)
    assert 32 <= sent < 60  # what was under way in buffers comes on top
    line = b'data: {"x": "' + b"y" * 2_097_152
    met = meet(make, stream, [writes(chunked(line))], retry={"attempts": 1})
    assert isinstance(met.result, MalformedReply)


def test_27_gzip_bomb(make: Make) -> None:
    """200 kB that become 200 MB end at 32 MB."""
    bomb = gzip.compress(b" " * 209_715_200, compresslevel=9)
    assert len(bomb) < 262_144
    met = meet(make, chat, [writes(answer(bomb, "content-encoding: gzip"))], retry={"attempts": 1})
    assert isinstance(met.result, MalformedReply)
    assert "larger than" in met.result.message


def test_28_letters_cut_in_two(make: Make) -> None:
    """A letter whose bytes come in two chunks is one letter; bytes that are no letter are no crash."""
    whole = sse("größe").body
    cut = whole.index("ö".encode()) + 1
    met = meet(make, stream, [writes(chunked(whole[:cut], whole[cut:]))])
    assert met.result.text == "größe"
    broken = sse("x#y").body.replace(b"#", b"\xc3")
    assert isinstance(meet(make, stream, [writes(chunked(broken))]).result, MalformedReply)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_29_every_form_of_events(make: Make, newline: bytes) -> None:
    """LF, CRLF and CR, a byte order mark, comments, and data over several lines all give the same text."""
    lines = b"\xef\xbb\xbf: hello\n" + sse("one").body.replace(b', "', b",").replace(
        b'"choices":', b'\ndata: "choices":'
    )
    met = meet(make, stream, [writes(chunked(lines.replace(b"\n", newline)))])
    assert met.result.text == "one"


def test_31_redirects_carry_nothing_away(make: Make) -> None:
    """A redirect to another host is an error, and the other host gets neither key nor prompt."""

    async def to_the_other(llm: Any, met: Any) -> Any:
        target = met.servers[1].url("/v1/chat/completions", host="localhost")
        met.servers[0].script = writes(answer(b"", f"location: {target}", status="307 Temporary Redirect"))
        return await chat(llm, met)

    met = meet(make, to_the_other, [writes(GOOD), writes(GOOD)], pick="a", then=[])
    assert isinstance(met.result, InvalidRequest | ServerError)
    assert met.requests == [1, 0]
    assert met.servers[0].requests[0].headers["authorization"] == KEY_SENT
    assert KEY not in repr(met.result)
