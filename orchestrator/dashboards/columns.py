"""The published column map: what DuckDB, or any reader with types, should read each key of the log line as.

    read_json('logs/*.jsonl', columns = {...}, format = 'newline_delimited', ignore_errors = true)

Money is text here on purpose. Even so, a JSON reader that goes through floats keeps 15 digits of it; the digits as
they were written are in the line itself, where our own readers take them from.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ATTEMPT_COLUMNS", "COLUMNS", "column_map"]

_TEXT, _COUNT, _REAL, _FLAG = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"

_BUDGETS = 'STRUCT(budget VARCHAR, per VARCHAR, whose VARCHAR, "window" VARCHAR, period VARCHAR, limit_usd VARCHAR)[]'

ATTEMPT_COLUMNS: Mapping[str, str] = {
    "deployment": _TEXT, "provider": _TEXT, "model": _TEXT, "error": _TEXT, "status": _COUNT, "duration_ms": _REAL,
    "input_tokens": _COUNT, "output_tokens": _COUNT, "cache_read_tokens": _COUNT, "cache_write_tokens": _COUNT,
    "search_units": _REAL, "reasoning_tokens": _COUNT, "cache_write_1h_tokens": _COUNT, "input_audio_tokens": _COUNT,
    "input_image_tokens": _COUNT, "output_audio_tokens": _COUNT, "usage_source": _TEXT, "response_model": _TEXT,
    "price_asked": _TEXT, "price_terms": "JSON", "price_factor": _TEXT, "priced_at": _TEXT, "cost_unknown": _TEXT,
    "cost_usd": _TEXT, "price_row": _TEXT, "budgets": _BUDGETS, "maybe_billed": _FLAG, "repair": _FLAG,
    "request_id": _TEXT,
}  # fmt: skip
"""Keys of an entry of `attempts` with their DuckDB types."""

_ATTEMPTS = f"STRUCT({', '.join(f'{name} {kind}' for name, kind in ATTEMPT_COLUMNS.items())})[]"

COLUMNS: Mapping[str, str] = {
    "ts": _TEXT, "event": _TEXT, "schema": _COUNT, "call_id": _TEXT, "trace_id": _TEXT, "config_hash": _TEXT,
    "route": _TEXT, "task": _TEXT, "status": _TEXT, "error_type": _TEXT, "deployment": _TEXT, "provider": _TEXT,
    "region": _TEXT, "request_model": _TEXT, "response_model": _TEXT, "response_id": _TEXT, "request_id": _TEXT,
    "tenant": _TEXT, "user": _TEXT, "tags": "MAP(VARCHAR, VARCHAR)", "stream": _FLAG,
    "input_tokens": _COUNT, "output_tokens": _COUNT, "cache_read_tokens": _COUNT, "cache_write_tokens": _COUNT,
    "reasoning_tokens": _COUNT, "search_units": _REAL, "cache_write_1h_tokens": _COUNT, "input_audio_tokens": _COUNT,
    "input_image_tokens": _COUNT, "output_audio_tokens": _COUNT, "usage_source": _TEXT, "items": _COUNT,
    "dimensions": _COUNT, "price_asked": _TEXT, "price_terms": "JSON", "price_factor": _TEXT, "priced_at": _TEXT,
    "cost_usd": _TEXT, "cost": "MAP(VARCHAR, VARCHAR)", "cost_unknown": _TEXT, "cost_estimated": _FLAG,
    "price_row": _TEXT, "price_book": _TEXT, "budgets": _BUDGETS,
    "duration_ms": _REAL, "first_token_ms": _REAL, "queue_ms": _REAL, "wait_ms": _REAL,
    "finish_reason": _TEXT, "cache_hit": _FLAG, "attempts": _ATTEMPTS,
}  # fmt: skip
"""Keys of an `llm.call` line with their DuckDB types."""


def column_map() -> str:
    """The map as DuckDB's `columns` argument takes it."""
    return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items()) + "}"
