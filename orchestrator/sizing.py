"""How many tokens a request will be, before it is sent: texts by `estimate_tokens`, and what stands around them.

What a vendor adds to the texts (a template around each turn, instructions for calling tools, a prompt of its own) goes
by the family of the model, as recorded traffic shows it: see `benchmarks/estimates.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from orchestrator.pricing.estimates import estimate_tokens
from orchestrator.types.chat import ChatRequest, Media, Part, Reasoning, Text, ToolCall, ToolResult

__all__ = ["PLAIN", "Frame", "chat_tokens", "frame_for", "media_tokens", "part_tokens", "parts_tokens", "texts_tokens"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Tokens that come on top of a chat's texts: once, for each message, and once if there are tools.

    `schema`: the schema of the answer is counted as input. `characters`: how many of a schema's JSON are one token in
    the form that the model gets it in.
    """

    request: int = 3
    message: int = 5
    tools: int = 10
    schema: bool = True
    characters: int = 4


PLAIN = Frame()
_FAMILIES: Mapping[str, Frame] = {
    "claude": Frame(tools=560),
    "command": Frame(request=480, tools=800),
    "deepseek": Frame(request=0, tools=250),
    "gemini": Frame(request=0, message=1, schema=False),
    "gpt-oss": Frame(request=60, tools=35, characters=5),
    "gpt-": Frame(tools=5, characters=5),
    "grok": Frame(request=200),
    "llama": Frame(request=8, tools=120),
    "nova": Frame(request=0, message=1, tools=400),
    "qwen": Frame(request=8, tools=120),
    "sonar": Frame(request=0, message=1),
}
"""By what is in the name of the model; the first that fits."""

_TOOL = 4
_SCHEMA = 5
_CALL = 8
_CHARACTERS_PER_TOKEN = 4
"""Of names, and of the JSON that a tool is called with."""

_MEDIA: Mapping[str, tuple[int, int, int, int]] = {
    "image": (800, 150, 85, 1_600),
    "audio": (1_000, 1_000, 10, 100_000),
    "video": (5_000, 500, 100, 1_000_000),
    "text": (1_000, _CHARACTERS_PER_TOKEN, 1, 1_000_000),
}
"""By the kind of media: tokens of one whose bytes are elsewhere, bytes per token, least and most tokens. Bytes say
little: images are counted by their pixels and sound by its seconds. They bound how far off it can be.
"""
_PAGE = 1_500
_PAGE_MARKS = (b"/Type/Page", b"/Type /Page")
_PARENT_MARKS = (b"/Type/Pages", b"/Type /Pages")


def frame_for(model: str) -> Frame:
    """What the family of a model adds, by the model's name."""
    name = model.lower()
    return next((frame for family, frame in _FAMILIES.items() if family in name), PLAIN)


def chat_tokens(request: ChatRequest, frame: Frame = PLAIN) -> int:
    """Input tokens of a chat, roughly."""
    messages, tools = request.messages, request.tools
    total = frame.request + frame.message * len(messages)
    for message in messages:
        for part in message.parts:
            total += estimate_tokens(part.text) if type(part) is Text else part_tokens(part)
    if tools:
        total += frame.tools + _TOOL * len(tools)
        for tool in tools:
            total += estimate_tokens(tool.description) + len(tool.name) // _CHARACTERS_PER_TOKEN
            total += _json_length(tool.parameters) // frame.characters
    if request.output is not None and frame.schema:
        total += _SCHEMA + _json_length(request.output.schema) // frame.characters
    return total


def _json_length(value: Mapping[str, object]) -> int:
    return len(orjson.dumps(dict(value), default=str))


def parts_tokens(parts: Sequence[Part]) -> int:
    """Tokens of the parts of an answer, without what stands around them."""
    return sum([part_tokens(part) for part in parts])


def part_tokens(part: Part) -> int:
    """Tokens of one part of a message."""
    match part:
        case Text() | Reasoning():
            return estimate_tokens(part.text)
        case Media():
            return media_tokens(part)
        case ToolCall():
            return _CALL + _json_length(part.arguments) // _CHARACTERS_PER_TOKEN
        case ToolResult():
            return estimate_tokens(part.content) if isinstance(part.content, str) else parts_tokens(part.content)


def media_tokens(media: Media) -> int:
    """Tokens of a picture, a document, sound or video: by its bytes where they are at hand."""
    kind = media.media_type.partition("/")[0]
    data = media.data
    if kind == "application":
        return _PAGE * (_pages(data) if data else 1)
    unseen, per_token, least, most = _MEDIA.get(kind, _MEDIA["text"])
    return unseen if not data else min(max(len(data) // per_token, least), most)


def _pages(pdf: bytes) -> int:
    """Pages of a PDF whose objects are not compressed; 1 if none is seen."""
    return max(1, sum(map(pdf.count, _PAGE_MARKS)) - sum(map(pdf.count, _PARENT_MARKS)))


def texts_tokens(texts: Sequence[str]) -> int:
    """Of all of them: the estimate is a sum over bytes, so one look at the whole does for many short texts."""
    return max(len(texts), estimate_tokens("".join(texts)))
