"""The engine for many lines: DuckDB (an extra) takes the plain ones, the streaming engine the rest.

Each line is read as text, once, into a table on disk. A line of one attempt and of today's schema is taken apart by
DuckDB, with its money from the digits in the text; whatever is odd in any way (several attempts, another event, a cut)
goes to the same code as in the streaming engine. That is why both give the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestrator.dashboards import statements
from orchestrator.dashboards.query import Query
from orchestrator.dashboards.streaming import Reader
from orchestrator.dashboards.tally import AMOUNTS, Call, Findings, Measures
from orchestrator.errors import ConfigError

__all__ = ["Unfit", "gather_by_duckdb"]

_MEMORY = "1GB"
_BATCH = 2000


class Unfit(Exception):
    """DuckDB cannot read these files as they are; Python can."""


def gather_by_duckdb(names: Sequence[str], query: Query) -> Findings:
    """As `gather`, of files only.

    Raises:
        ConfigError: DuckDB is not installed.
        Unfit: it gave up.
    """
    try:
        import duckdb  # noqa: PLC0415
    except ImportError:
        raise ConfigError("DuckDB is not installed: pip install 'model-orchestrator[duckdb]'") from None
    with tempfile.TemporaryDirectory(prefix="orchestrator-costs-") as directory:
        database = duckdb.connect(str(Path(directory) / "lines.db"))
        try:
            database.execute(f"SET memory_limit = '{_MEMORY}'; SET preserve_insertion_order = false")
            return _Work(database, query).done(names)
        except duckdb.Error as error:
            raise Unfit from error
        finally:
            database.close()


class _Work:
    """One reading of files by one query."""

    def __init__(self, database: Any, query: Query) -> None:
        self._database = database
        self._query = query
        self._findings = Findings()

    def done(self, names: Sequence[str]) -> Findings:
        self._load(names)
        self._add_odd()
        self._add_plain()
        return self._findings

    def _load(self, names: Sequence[str]) -> None:
        self._database.execute(statements.LOAD, {"files": list(names)})
        self._database.execute(statements.AGAIN)
        self._database.execute(statements.CALLS.replace("{wanted}", self._wanted()))

    def _wanted(self) -> str:
        query = self._query
        bounds = [("ts >= {}", query.since), ("ts < {}", query.until)]
        tests = [form.format(_quoted(ts)) for form, ts in bounds if ts is not None]
        tests += [f"coalesce({_dimension(name)}, '') = {_quoted(value)}" for name, value in query.where.items()]
        return " AND ".join(tests) or "true"

    def _rows(self, sql: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
        cursor = self._database.execute(sql, list(parameters))
        while rows := cursor.fetchmany(_BATCH):
            yield from rows

    def _add_odd(self) -> None:
        odd = (row[0].encode().strip() for row in self._rows("SELECT odd FROM raw WHERE odd IS NOT NULL"))
        Reader.over(self._query, self._findings).read(line for line in odd if line)

    def _add_plain(self) -> None:
        findings, query = self._findings, self._query
        for (more,) in self._rows("SELECT more FROM again"):
            findings.faults.duplicates += more
        for first, last in self._rows(statements.SPAN):
            findings.span(first, last)
        self._add_cells()
        self._add_latencies()
        for reason, count in self._rows(statements.REASONS):
            findings.reasons[reason] = findings.reasons.get(reason, 0) + count
        for name, count in self._rows(statements.TAGS):
            findings.tags[name] = findings.tags.get(name, 0) + count
        findings.dear([Call(*row) for row in self._rows(statements.DEAREST, query.dearest)], query.dearest)

    def _add_cells(self) -> None:
        width = len(self._query.by)
        for row in self._rows(_grouped(statements.CELLS, self._query.by)):
            self._findings.cell(row[:width]).add(_measures(row[width:]))

    def _add_latencies(self) -> None:
        width = len(self._query.latency_by)
        for column, place in (("duration_ms", "whole"), ("first_token_ms", "first")):
            sql = statements.LATENCIES.replace("{column}", column)
            for row in self._rows(_grouped(sql, self._query.latency_by, 1)):
                getattr(self._findings.latency(row[:width]), place).add(row[width], row[width + 1])


def _grouped(sql: str, names: Sequence[str], more: int = 0) -> str:
    keys = "".join(f"{_dimension(name)}, " for name in names)
    places = ", ".join(str(i + 1) for i in range(len(names) + more))
    return sql.replace("{keys}", keys).replace("{grouping}", f"GROUP BY {places}" if places else "")


_COUNTED = (
    "calls", "attempts", "failed", "errors", *statements.TOKENS, "items", "unpriced", "unpriced_tokens",
    "retries", "failovers", "repairs",
)  # fmt: skip


def _measures(row: Sequence[Any]) -> Measures:
    found = Measures()
    for name, count in zip(_COUNTED, row, strict=False):
        setattr(found, name, int(count))
    for name, amount in zip(AMOUNTS, row[len(_COUNTED) :], strict=True):
        setattr(found, name, Decimal(amount))
    return found


def _dimension(name: str) -> str:
    if name in {"day", "hour"}:
        return f"substr(ts, 1, {10 if name == 'day' else 13})"
    if name.startswith("tag:"):
        return f"nullif(tags->>{_quoted(_pointer(name[4:]))}, '')"
    column = {"model": "request_model", "error": "error_type"}.get(name, name)
    return f"nullif(\"{column}\", '')"


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
