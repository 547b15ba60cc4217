"""Strategies for what vendors and networks do to bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from wire_sample import Call, Said

__all__ = ["GARBAGE", "SAID", "junk", "mutated", "replies"]

GARBAGE = (
    b"",
    b" \n",
    b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    b"upstream connect error or disconnect/reset before headers",
    b"{",
    b'{"id": "1", "choi',
    b"\xff\xfe\x00\x01",
    b"\x1f\x8b\x08\x00\x00",
    b"null",
    b"true",
    b"0",
    b'"text"',
    b"[]",
    b"[[]]",
    b"{}",
    b'{"ok": true}',
)

junk = st.sampled_from(
    [None, True, 0, -1, 3.5, 10**12, "", "x", [], [None], ["x"], [[]], {}, {"x": 1}, {"type": "x"}]
).map(deepcopy)

_WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\r\u2028\u0085 "), min_size=1
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_CALLS = st.builds(
    lambda number, name, arguments: Call(f"call_{number}", name, arguments),
    st.integers(0, 10**6),
    st.sampled_from(["weather", "look_up", "f"]),
    st.dictionaries(st.text(max_size=5), _VALUES, max_size=3),
)

SAID = Said(
    reasoning="Two cities; ask for both.",
    text="Let me look.",
    calls=(Call("call_1", "weather", {"city": "Oslo"}), Call("call_2", "weather", {"city": "Rome", "days": [1, 2]})),
)

replies = st.builds(
    Said,
    reasoning=st.just("") | _WORDS,
    text=st.just("") | _WORDS,
    calls=st.lists(_CALLS, max_size=3, unique_by=lambda call: call.id).map(tuple),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """The JSON with one or two of its values replaced by junk, or taken away."""
    found = deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(_places(found))))
        if not path:
            return draw(junk)
        holder = found
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()):
            holder[path[-1]] = draw(junk)
        else:
            del holder[path[-1]]
    json.dumps(found)
    return found
