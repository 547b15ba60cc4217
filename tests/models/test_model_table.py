"""Well-known models, checked by hand against their vendors' pages.

One line per model: vendor, name, context and longest answer in tokens (0: not known), whether it takes tools and output
schemas (y, n or ? each), the media it reads (image, pdf, audio, video by their first letters, - for none), how it
reasons, the settings it refuses (Temperature, top_p N, stoP... by the letters below; after ~ those refused while it
reasons) and the day of its retirement.
"""

from __future__ import annotations

import pytest

from orchestrator.models import bundled
from orchestrator.spec.models import ModelProfile

_MEDIA = {"audio/*": "a", "image/*": "i", "application/pdf": "p", "video/*": "v"}
_SETTINGS = {
    "parallel_tool_calls": "P",
    "reasoning_effort": "E",
    "seed": "S",
    "stop": "X",
    "temperature": "T",
    "top_p": "N",
}
_WORDS = {True: "y", False: "n", None: "?"}

TABLE = [
    "openai gpt-4o-mini 128000 16384 yy ip none E -",
    "openai gpt-4o 128000 16384 yy ip none E -",
    "openai gpt-4o-2024-11-20 128000 16384 yy ip none E 2027-01-14",
    "openai gpt-4o-2024-05-13 128000 4096 yn ip none E 2026-10-23",
    "openai gpt-4.1 1047576 32768 yy ip none E -",
    "openai gpt-4.1-nano 1047576 32768 yy ip none E 2026-10-23",
    "openai gpt-4-turbo 128000 4096 yn ip none E 2026-10-23",
    "openai gpt-4 8192 4096 yn - none E 2026-10-23",
    "openai gpt-3.5-turbo 16385 4096 yn - none E 2026-10-23",
    "openai gpt-5 400000 128000 yy ip always NTX -",
    "openai gpt-5-mini 400000 128000 yy ip always NTX -",
    "openai gpt-5-nano-2025-08-07 400000 128000 yy ip always NTX 2026-12-11",
    "openai gpt-5-chat-latest 128000 16384 yy ip ? - 2026-07-23",
    "openai gpt-5-pro 400000 272000 yy ip always NTX -",
    "openai gpt-5.1 400000 128000 yy ip adaptive X~NT 2027-04-01",
    "openai gpt-5.2 400000 128000 yy ip adaptive X~NT -",
    "openai gpt-5.4-mini 400000 128000 yy ip adaptive X~NT -",
    "openai gpt-5.5 1050000 128000 yy ip default X~NT -",
    "openai gpt-6-sol 1050000 128000 yy ip default X~NT -",
    "openai gpt-6.1-sol 1050000 128000 yy ip always NTX -",
    "openai o1 200000 100000 yy ip always NPTX 2026-10-23",
    "openai o3 200000 100000 yy ip always NPTX -",
    "openai o3-mini 200000 100000 yy - always NPTX 2026-10-23",
    "openai o4-mini 200000 100000 yy ip always NPTX 2026-10-23",
    "openai gpt-audio 128000 16384 yn a none E 2027-01-20",
    "azure gpt-4o 128000 16384 yy ip none E 2027-04-14",
    "anthropic claude-3-haiku-20240307 200000 4096 yn ip none S -",
    "anthropic claude-3-5-sonnet-20241022 200000 8192 yn ip none S -",
    "anthropic claude-3-7-sonnet-20250219 200000 64000 yn ip budget S -",
    "anthropic claude-sonnet-4-20250514 200000 64000 yn ip budget S -",
    "anthropic claude-opus-4-1 200000 32000 yn ip budget S -",
    "anthropic claude-haiku-4-5 200000 64000 yy ip budget S -",
    "anthropic claude-sonnet-4-5 200000 64000 yy ip budget S 2026-11-30",
    "anthropic claude-opus-4-5 200000 64000 yy ip budget S -",
    "anthropic claude-opus-4-6 1000000 128000 yy ip adaptive S -",
    "anthropic claude-opus-4-8 1000000 128000 yy ip adaptive NST -",
    "anthropic claude-opus-5 1000000 128000 yy ip default NST -",
    "anthropic claude-haiku-5-5 1000000 128000 yy ip default NST -",
    "anthropic claude-sonnet-5-5 1000000 128000 yy ip always NST -",
    "anthropic claude-opus-5-5 1000000 128000 yy ip always NST -",
    "anthropic claude-fable-5-1 1000000 128000 yy ip always NST -",
    "bedrock us.anthropic.claude-sonnet-4-5-20250929-v1:0 200000 64000 yy ip budget S 2027-04-08",
    "vertex claude-haiku-4-5@20251001 200000 64000 yy ip budget S 2026-10-15",
    "openrouter anthropic/claude-opus-4.8 1000000 128000 yy ip adaptive NST -",
    "google gemini-2.0-flash 1000000 0 yy aipv none P -",
    "google gemini-2.5-flash 1048576 65536 yy aipv budget P -",
    "google gemini-2.5-pro 1048576 65536 yy aipv budget P -",
    "vertex gemini-2.5-pro 1048576 65536 yy aipv budget P 2026-10-20",
    "google gemini-3-flash-preview 1048576 65536 yy aipv always P -",
    "google gemini-3.1-pro-preview 1048576 65536 yy aipv always P -",
    "google gemini-3.6-flash 1048576 65536 yy aipv always NPT -",
    "google gemini-4-argon 1048576 0 yy aipv always P -",
    "xai grok-3 131072 0 yy - none E -",
    "xai grok-3-mini 131072 0 yy - always X -",
    "xai grok-4-0709 256000 0 yy i always EX -",
    "xai grok-4.3 1000000 0 yy i default X -",
    "xai grok-4.5 500000 0 yy i always X -",
    "deepseek deepseek-chat 131072 8192 yn - none - 2026-07-24",
    "deepseek deepseek-reasoner 131072 65536 nn - always NT 2026-07-24",
    "deepseek deepseek-v4-pro 1000000 393216 yn - default - -",
    "groq openai/gpt-oss-120b 131072 65536 yy - always - -",
    "cerebras gpt-oss-120b 131072 32768 yy - always - -",
    "ollama llama3.2 131072 0 y? - none - -",
    "together meta-llama/Llama-3.3-70B-Instruct-Turbo 131072 0 yy - none - 2026-10-22",
    "bedrock us.meta.llama4-scout-17b-instruct-v1:0 10000000 8192 y? i none - 2027-03-30",
    "bedrock amazon.nova-micro-v1:0 128000 10000 yn - none PS -",
    "bedrock us.amazon.nova-pro-v1:0 300000 10000 yn ipv none PS -",
    "mistral mistral-large-latest 262144 0 yy ip none E -",
    "mistral magistral-medium-latest 262144 0 yy ip always E -",
    "mistral mistral-small-2603 262144 0 yy ip adaptive - -",
    "cohere command-r-08-2024 128000 4096 yy - none P -",
    "cohere command-a-03-2025 256000 8000 yy - none P -",
    "moonshot kimi-k3 1048576 0 y? i always - -",
    "zai glm-4.6 200000 128000 y? - default - -",
    "perplexity sonar-pro 200000 8000 ny ? none PSX -",
    "dashscope qwen3-max 258048 65536 y? - ? - -",
    "ollama qwen2.5:7b 0 0 y? - none - -",
]


def _written(known: ModelProfile) -> str:
    media = "?" if known.media is None else "".join(sorted(_MEDIA[one] for one in known.media)) or "-"
    refused = "".join(sorted(_SETTINGS[one] for one in known.refuses)) or "-"
    if known.refuses_when_reasoning:
        refused += "~" + "".join(sorted(_SETTINGS[one] for one in known.refuses_when_reasoning))
    features = _WORDS[known.tools] + _WORDS[known.json_schema]
    sizes = f"{known.context_tokens or 0} {known.max_output_tokens or 0}"
    return f"{sizes} {features} {media} {known.reasoning or '?'} {refused} {known.retires_on or '-'}"


@pytest.mark.parametrize("line", TABLE, ids=[" ".join(line.split()[:2]) for line in TABLE])
def test_what_the_book_says_of_a_well_known_model(line: str) -> None:
    """Limits, features, media, reasoning, refused settings and retirement are those of the vendor's page."""
    vendor, model, expected = line.split(" ", 2)
    assert _written(bundled().find(vendor, model)) == expected


def test_the_table_is_long_enough() -> None:
    """At least sixty models are checked by hand."""
    assert len(TABLE) >= 60
