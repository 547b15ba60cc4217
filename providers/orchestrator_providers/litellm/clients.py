"""Closes the HTTP clients that litellm keeps. They belong to the process: every caller of litellm shares them."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from typing import Any
from weakref import WeakSet

__all__ = ["close_clients", "in_use", "release"]

_users: WeakSet[Any] = WeakSet()


def in_use(engine: Any) -> None:
    """Note that this engine has clients open, or may have."""
    _users.add(engine)


def release(engine: Any) -> bool:
    """Note that it needs them no more; True if no other engine does either."""
    _users.discard(engine)
    return not _users


async def close_clients(litellm: Any) -> None:
    """Close the clients of the running event loop and forget them, so that the next call opens others.

    litellm's own helper closes those of all loops, which only their loops may do, and leaves the closed ones where the
    next call finds them. A client that the application gave to litellm is forgotten, but stays open.
    """
    cache = litellm.in_memory_llm_clients_cache
    ending = f"-{id(asyncio.get_running_loop())}"  # how litellm tells the loops apart
    for key in [key for key in list(cache.cache_dict) if str(key).endswith(ending)]:
        client = cache.cache_dict.get(key)
        cache.delete_cache(key)
        if _made_by_litellm(cache, client):
            await _close(client)


def _made_by_litellm(cache: Any, client: Any) -> bool:
    with suppress(Exception):
        return client in cache.evicted_client_closer._owned
    return True  # releases before 1.100 know no such difference


async def _close(client: Any) -> None:
    close = getattr(client, "aclose", None) or getattr(client, "close", None)
    with suppress(Exception):
        closing = close() if close is not None else None
        if inspect.isawaitable(closing):
            await closing
