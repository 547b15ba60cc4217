"""How far the token estimate is off. The counts are those of OpenAI's o200k vocabulary, recorded with tiktoken 0.14."""

# ruff: noqa: RUF001 - Cyrillic and CJK are what is counted here

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.pricing import estimate_tokens

# (text, tokens in o200k, largest accepted error)
RECORDED = {
    "English": (
        (
            "The committee met on Thursday to discuss the proposal that had been circulating for several weeks. Most "
            "members agreed that the plan was sound, but a few raised concerns about the cost and the time it "
            "would take to complete the work. After a long conversation they decided to ask for a second "
            "opinion and to return to the question in the spring."
        ),
        67,
        0.15,
    ),
    "Python": (
        (
            "def merge(left: list[int], right: list[int]) -> list[int]:\n    result = []\n    i = j = 0\n    while i < "
            "len(left) and j < len(right):\n        if left[i] <= right[j]:\n            "
            "result.append(left[i])\n            i += 1\n        else:\n            result.append(right[j])\n   "
            "         j += 1\n    return result + left[i:] + right[j:]\n"
        ),
        88,
        0.15,
    ),
    "JSON": (
        (
            '{"id": "evt_4182", "type": "invoice.paid", "created": 1763852400, "data": {"customer": "acme", "amount": '
            '12950, "currency": "usd", "lines": [{"sku": "A-100", "quantity": 3}, {"sku": "B-205", "quantity": 1}]}, '
            '"livemode": false}'
        ),
        87,
        0.15,
    ),
    "German": (
        (
            "Die Bibliothek wurde im vergangenen Jahr vollständig renoviert und ist seit dem Frühling wieder geöffnet. "
            "Besucherinnen und Besucher finden nun größere Lesesäle, ein kleines Café und einen ruhigen Garten, in dem "
            "man auch im Sommer arbeiten kann."
        ),
        49,
        0.15,
    ),
    "Russian": (
        (
            "Вчера вечером мы долго гуляли по старому городу и говорили о книгах, которые прочитали за лето. "
            "Было тепло, и на улицах было много людей."
        ),
        39,
        0.25,
    ),
    "Chinese": (
        "昨天下午我们在图书馆见面,讨论了下个月的旅行计划。大家都同意先坐火车去南方,然后再租一辆车去山里住几天。",
        44,
        0.25,
    ),
    "Japanese": (
        "昨日の午後、私たちは図書館で会い、来月の旅行について話し合いました。まず電車で南へ行き、数日過ごします。",
        39,
        0.25,
    ),
    "Arabic": (
        "التقينا مساء أمس في المكتبة وتحدثنا عن خطة السفر في الشهر القادم، واتفقنا على أن نبدأ الرحلة بالقطار.",
        31,
        0.25,
    ),
    "emoji": ("Great job team! 🎉🚀 We shipped it 😀👍 on time 🙌", 17, 0.25),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_estimate_is_within_its_stated_error(name: str) -> None:
    """Prose and code are estimated within 15 %, other scripts within 25 %, of the recorded count."""
    text, tokens, error = RECORDED[name]
    assert abs(estimate_tokens(text) - tokens) <= error * tokens


def test_only_nothing_is_no_tokens() -> None:
    """An empty text is 0 tokens, the shortest other one 1."""
    assert [estimate_tokens(text) for text in ("", "a", " ", "é", "\n")] == [0, 1, 1, 1, 1]


def test_half_a_character_is_no_error() -> None:
    """A lone surrogate, which has no UTF-8 form, is counted like any other odd character."""
    assert estimate_tokens("\ud83d") == 1


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(first: str, second: str) -> None:
    """Appending text does not lower the estimate, and parts add up to the whole within rounding."""
    whole, parts = estimate_tokens(first + second), estimate_tokens(first) + estimate_tokens(second)
    assert whole >= max(estimate_tokens(first), estimate_tokens(second))
    assert abs(whole - parts) <= 2
