"""Shared by all tests: nothing here but what keeps them apart from the machine they run on."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configurations in tests name these variables; no test needs a real credential."""
    monkeypatch.setenv("TEST_KEY", "sk-test-0123456789abcdef")
