"""Keeps what litellm does out of logs: its records, and those of its HTTP clients, can hold prompts and keys."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["allow_base64_vectors", "inside", "quiet_loggers", "unchanged_loggers"]

_OWN = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_CLIENTS = ("openai", "httpx", "httpcore", "aiohttp", "botocore", "boto3", "urllib3")
_TOUCHED = ("httpx", "asyncio", "backoff", "uvicorn.error", "uvicorn.access")
_VECTOR_WARNING = r"Pydantic serializer warnings:\s+PydanticSerializationUnexpectedValue\(Expected `list\[float\]`"
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


def allow_base64_vectors() -> None:
    """Keep one warning of pydantic's from printing vectors to stderr.

    litellm hands the OpenAI client's reply through a model that declares a list of floats. The base64 form is worth it:
    floats as JSON cost this engine over ten times the CPU. Looked up each time, for filters are often swapped.
    """
    if not any(one[1] is not None and one[1].pattern == _VECTOR_WARNING for one in warnings.filters):
        warnings.filterwarnings("ignore", message=_VECTOR_WARNING, category=UserWarning)
