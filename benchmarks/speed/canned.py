"""The work that every library does, and the vendors' answers to it, made once."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

__all__ = [
    "CHAT_MODEL",
    "CLAUDE_MODEL",
    "DIMENSIONS",
    "EMBED_MODEL",
    "INPUT_TOKENS",
    "KEY",
    "LAST_NUMBER",
    "MESSAGES",
    "OUTPUT_TOKENS",
    "TEXT",
    "TEXTS",
    "VENDOR_HEADERS",
    "chat",
    "claude",
    "embeddings",
    "events",
    "right_vectors",
]

KEY = "sk-benchmark"
CHAT_MODEL = "gpt-4o-mini"
EMBED_MODEL = "text-embedding-3-small"
CLAUDE_MODEL = "claude-sonnet-4-5"
MESSAGES = [{"role": "user", "content": "Say something about the quick brown fox, please, in one line."}]
TEXTS = [f"sentence number {number} about foxes and dogs" for number in range(32)]

_PIECES = 39  # with the finish reason, the usage and [DONE]: a stream of 42 events
_WORDS = ["The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "."]
_TEXT_PIECES = [f"{_WORDS[number % len(_WORDS)]} " for number in range(_PIECES)]
TEXT = "".join(_TEXT_PIECES)
INPUT_TOKENS, OUTPUT_TOKENS = 19, 40

DIMENSIONS = 1536
_VECTOR = [round(0.001 * ((place * 37) % 97 - 48), 6) for place in range(DIMENSIONS)]
LAST_NUMBER = _VECTOR[-1]

VENDOR_HEADERS = {
    "x-request-id": "req_1",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-tokens": "1999000",
}

_HEAD: dict[str, Any] = {"id": "chatcmpl-1", "created": 1_760_000_000, "model": "gpt-4o-mini-2024-07-18"}
_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


@lru_cache(maxsize=1)
def chat() -> bytes:
    """OpenAI's answer to a chat."""
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _json(
        {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE, "service_tier": "default"}
    )


@lru_cache(maxsize=1)
def claude() -> bytes:
    """Anthropic's answer to a chat."""
    return _json(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": CLAUDE_MODEL,
            "content": [{"type": "text", "text": TEXT}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        }
    )


@lru_cache(maxsize=1)
def events() -> list[bytes]:
    """OpenAI's stream: 42 server-sent events."""
    pieces = [_chunk({"content": piece}) for piece in _TEXT_PIECES]
    usage = _json({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    data = [*pieces, _chunk({}, "stop"), usage, b"[DONE]"]
    return [b"data: " + one + b"\n\n" for one in data]


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _json({**_HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None})


@lru_cache(maxsize=8)
def embeddings(count: int, encoding: str | None) -> bytes:
    """OpenAI's vectors for so many texts, as numbers or, with `encoding="base64"`, as it packs them."""
    vector: Any = _VECTOR
    if encoding == "base64":
        vector = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *_VECTOR)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    return _json({"object": "list", "data": data, "model": EMBED_MODEL, "usage": {"prompt_tokens": 8 * count}})


def right_vectors(vectors: Sequence[Sequence[float]]) -> bool:
    """Whether these are the vectors of `TEXTS`; looks at a number of each, so that none may be left undecoded."""
    sizes = {len(vector) for vector in vectors}
    return len(vectors) == len(TEXTS) and sizes == {DIMENSIONS} and all(map(_ends_right, vectors))


def _ends_right(vector: Sequence[float]) -> bool:
    return abs(vector[-1] - LAST_NUMBER) < 1e-6


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
