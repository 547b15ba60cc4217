"""A Redis server per test."""

from __future__ import annotations

import pytest
from redis_server import BINARY, RedisServer


@pytest.fixture
def server(tmp_path):
    """Not started yet."""
    if BINARY is None:
        pytest.skip("redis-server is not installed")
    made = RedisServer(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def redis(server):
    """Running."""
    server.start()
    return server
