"""Keeps what litellm does out of logs: its records, and those of its HTTP clients, can hold prompts and keys."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["inside", "quiet_loggers", "quiet_warnings", "unchanged_loggers"]

_OWN = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_CLIENTS = ("openai", "httpx", "httpcore", "aiohttp", "botocore", "boto3", "urllib3")
_TOUCHED = ("httpx", "asyncio", "backoff", "uvicorn.error", "uvicorn.access")
_WARNINGS = (
    r"Items? .* on TypedDict class .* using the `ReadOnly` qualifier",
    r"Pydantic serializer warnings:\s+PydanticSerializationUnexpectedValue\(Expected `list\[float\]`",
)
_SCHEDULER = ("apscheduler.executors.default", "apscheduler.scheduler")

_inside: ContextVar[bool] = ContextVar("orchestrator_litellm_call", default=False)


@contextmanager
def inside() -> Iterator[None]:
    """Mark what runs in this block, and the tasks it starts, as litellm's work."""
    before = _inside.get()
    _inside.set(True)
    try:
        yield
    finally:
        # Not `reset(token)`: a stream may be closed from another context than the one that read it.
        _inside.set(before)


def _never(record: logging.LogRecord) -> bool:
    return False


def _only_outside(record: logging.LogRecord) -> bool:
    # The application's own use of these clients goes on being logged as it configured it.
    return not _inside.get()


def quiet_loggers() -> None:
    """Drop litellm's own records always, those of its HTTP clients while they work for it. Idempotent.

    Filters and not levels: they survive a later `logging.config`, and a level set by the application.
    """
    for name in _OWN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addFilter(_never)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _CLIENTS:
            logging.getLogger(name).addFilter(_only_outside)


@contextmanager
def unchanged_loggers() -> Iterator[None]:
    """Undo what happens to the levels, filters and handlers of the application's loggers in this block."""
    loggers = [logging.root, *(logging.getLogger(name) for name in (*_TOUCHED, *_SCHEDULER))]
    before: list[tuple[int, list[Any], list[logging.Handler]]] = [
        (one.level, list(one.filters), list(one.handlers)) for one in loggers
    ]
    try:
        yield
    finally:
        for logger, (level, filters, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.filters[:] = filters
            logger.handlers[:] = handlers


def quiet_warnings() -> None:
    """Keep two warnings of pydantic's, about litellm's own types, from failing a call or printing vectors to stderr.

    One is given when litellm's types are first made ready, in the midst of a call: an application that makes errors of
    warnings would lose it. The other one is of embeddings: litellm hands the OpenAI client's reply through a model that
    declares a list of floats, and the base64 form is worth it, as floats in JSON cost this engine over ten times the
    CPU. Looked up each time, for filters are often swapped.
    """
    known = {one[1].pattern for one in warnings.filters if one[1] is not None}
    for message in _WARNINGS:
        if message not in known:
            warnings.filterwarnings("ignore", message=message, category=UserWarning)
