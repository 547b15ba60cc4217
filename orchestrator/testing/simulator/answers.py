"""What a simulated model says, and how it counts tokens.

The tokenizer is simple on purpose, so that anybody can count along: every run of word characters and every other
visible character is one token, with the white space before it; white space at the end of a text is one more. Joined,
the tokens are the text.

A prompt costs the tokens of its texts, `TURN_TOKENS` per message, `IMAGE_TOKENS` per image or file, and the tokens of
the tools' JSON.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import orjson

from orchestrator.testing.simulator.asks import ChatAsk
from orchestrator.testing.simulator.schema import instance

__all__ = [
    "IMAGE_TOKENS",
    "TURN_TOKENS",
    "Answer",
    "CallTool",
    "Finish",
    "Scripted",
    "answer",
    "answer_tokens",
    "call_pieces",
    "count_tokens",
    "prompt_tokens",
    "tokenize",
]

TURN_TOKENS = 3
IMAGE_TOKENS = 85
_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")
_WORD = re.compile(r"[^\W\d_]{4,}")
_COMMON_WORDS = (
    "about after also been before could does each from have here into like more most much only other over please same "
    "should some such than that their them then there these they this those through very want were what when where "
    "which while will with would your"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_SENTENCES = (
    'About "{topic}": yes, this is covered, and the details are in the second part of the guide.',
    'In short, "{topic}" works as described in the manual. Nothing else has to be set up first.',
    'There are two things to know about "{topic}". The first is simple, and the second follows from it.',
    'The usual choice for "{topic}" is the default one; change it only if you have measured a reason.',
    'As far as "{topic}" is concerned, the answer depends on the plan, and support can tell you which one it is.',
)

Finish = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class CallTool:
    """The model asks for a tool. Without `arguments` it makes up some that satisfy the tool's schema."""

    name: str
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model generates. `finish` None follows from the rest: `tool_calls`, `length` or `stop`."""

    text: str = ""
    calls: Sequence[CallTool] = ()
    reasoning: str = field(default="", kw_only=True)
    finish: Finish | None = field(default=None, kw_only=True)


Said: TypeAlias = "str | CallTool | Sequence[CallTool] | Answer"
Scripted: TypeAlias = "Said | Callable[[dict[str, Any]], Said]"
"""An answer, or a function from the request's JSON to one. It is called on the simulator's thread."""


def tokenize(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens a text has."""
    return len(_TOKEN.findall(text))


def call_pieces(call: CallTool) -> list[str]:
    """The arguments of a tool call as JSON, token by token."""
    return tokenize(orjson.dumps(call.arguments or {}).decode())


def prompt_tokens(ask: ChatAsk) -> int:
    """Tokens of the whole prompt."""
    texts = sum(count_tokens(turn.text) + TURN_TOKENS for turn in ask.turns)
    tools = count_tokens(orjson.dumps(ask.raw["tools"]).decode()) if ask.tools else 0
    return texts + ask.images * IMAGE_TOKENS + tools


def answer_tokens(said: Answer) -> int:
    """Tokens of everything generated: text, reasoning, and the names and arguments of tools."""
    calls = sum(count_tokens(call.name) + len(call_pieces(call)) for call in said.calls)
    return count_tokens(said.text) + count_tokens(said.reasoning) + calls


def answer(ask: ChatAsk, scripted: Scripted | None) -> Answer:
    """What the model generates for a request, cut at the request's limits, always with a `finish`."""
    said = _as_answer(scripted(ask.raw) if callable(scripted) else scripted) if scripted is not None else _made_up(ask)
    if said.calls:
        calls = [call if call.arguments is not None else _call(ask, call.name) for call in said.calls]
        said = replace(said, calls=calls, finish=said.finish or "tool_calls")
    return _bounded(ask, said)


def _as_answer(said: Said) -> Answer:
    if isinstance(said, Answer):
        return said
    if isinstance(said, str):
        return Answer(said)
    return Answer(calls=(said,) if isinstance(said, CallTool) else tuple(said))


def _made_up(ask: ChatAsk) -> Answer:
    reasoning = "The question is clear, so a short answer will do." if ask.reasoning else ""
    if ask.must_call is not None:
        return Answer(calls=(_call(ask, ask.must_call or next(iter(ask.tools))),), reasoning=reasoning)
    topic = _topic(ask)
    if ask.schema is not None:
        return Answer(orjson.dumps(instance(ask.schema, topic)).decode(), reasoning=reasoning)
    sentence = _SENTENCES[zlib.crc32(topic.encode()) % len(_SENTENCES)]
    return Answer(sentence.format(topic=topic), reasoning=reasoning)


def _call(ask: ChatAsk, name: str) -> CallTool:
    arguments = instance(ask.tools.get(name, {}), _topic(ask))
    return CallTool(name, arguments if isinstance(arguments, dict) else {})


def _topic(ask: ChatAsk) -> str:
    text = next((turn.text for turn in reversed(ask.turns) if turn.role == "user" and turn.text), "")
    words = [word.lower() for word in _WORD.findall(text[:2000])]
    telling = list(dict.fromkeys(word for word in words if word not in _COMMON))
    return " ".join(telling[:3]) or "that"


def _bounded(ask: ChatAsk, said: Answer) -> Answer:
    """Apply stop sequences and the output limit to the text. Tool calls are never cut."""
    text, finish = said.text, said.finish or "stop"
    for stop in ask.stop:
        text = text.partition(stop)[0] if stop else text
    if ask.max_tokens is not None and not said.calls:
        room = max(0, ask.max_tokens - count_tokens(said.reasoning))
        pieces = tokenize(text)
        if len(pieces) > room:
            text, finish = "".join(pieces[:room]), "length"
    return replace(said, text=text, finish=finish)
