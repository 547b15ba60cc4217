"""The transports that the contract tests run over."""

from __future__ import annotations

import pytest
from transport_harness import Make, make_aiohttp, make_httpx, make_httpx2


@pytest.fixture(params=[make_aiohttp, make_httpx, make_httpx2], ids=["aiohttp", "httpx", "httpx2"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a transport of each kind."""
    made: Make = request.param
    return made
