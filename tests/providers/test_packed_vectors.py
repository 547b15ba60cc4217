"""Vectors that come as base64."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_providers.shared.packed import packed_float32, packed_int8


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_floats_come_back_to_the_last_bit(numbers: list[float]) -> None:
    """Any float32 numbers, packed little-endian, are read as they were; padding may be left out."""
    text = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    assert packed_float32(text).tolist() == numbers
    assert packed_float32(text.rstrip("=")).tolist() == numbers


@given(st.binary())
def test_bytes_come_back_signed(data: bytes) -> None:
    """Any bytes are read as the signed numbers they stand for."""
    assert packed_int8(base64.b64encode(data).decode()).tolist() == [byte - 256 * (byte > 127) for byte in data]


@pytest.mark.parametrize("text", ["A", "AAAA", "AA*A", "AAAAAA==\n", 'AAAAAA=="', "\ud800", "é", 12345678, None])
def test_what_is_no_vector_is_refused(text: Any) -> None:
    """Text that is not base64 of whole numbers, and what is no text, is an error."""
    with pytest.raises((TypeError, ValueError)):
        packed_float32(text)


def test_an_error_does_not_show_the_text() -> None:
    """What a vendor sent in place of base64 is not in the message."""
    with pytest.raises(ValueError, match="base64") as refused:
        packed_float32("a secret")
    assert "a secret" not in str(refused.value)
