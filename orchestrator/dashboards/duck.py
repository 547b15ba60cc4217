"""The engine for many lines: DuckDB (an extra) takes the plain ones, the streaming engine the rest.

Lines are read once, whatever number of questions is then asked. What is odd in any way (another event, a cut, an
amount of no ordinary size) goes to the same code as in the streaming engine. That is why both give the same.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

from orchestrator.dashboards import statements
from orchestrator.dashboards.query import SHARES, Query, of_budgets
from orchestrator.dashboards.streaming import Reader
from orchestrator.dashboards.tally import Call, Findings, Key, Measures, Percentiles
from orchestrator.errors import ConfigError

__all__ = ["DuckLog", "Unfit"]

_BATCH = 2000
_AT_ONCE = 500_000
_THREADS = min(os.cpu_count() or 1, 8)
_MEMORY_MB, _PLENTY_MB = 128 + 64 * _THREADS, 4096

_ZEROS: Mapping[type, Any] = {int: 0, Decimal: Decimal(0)}

_T = TypeVar("_T")


class Unfit(Exception):
    """DuckDB cannot read these files as they are; Python can."""


class DuckLog:
    """Files read into tables on disk, for questions about some dimensions. A context manager.

    `memory_mb` is what DuckDB may use at first; where that is too little, it gets 4 GB.
    """

    def __init__(self, names: Sequence[str], dimensions: Collection[str], *, memory_mb: int = _MEMORY_MB) -> None:
        self._names = names
        self._columns = {column for name in dimensions for column in _columns(name)}
        self._memory_mb = memory_mb
        self._database: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Read the lines.

        Raises:
            ConfigError: DuckDB is not installed.
            Unfit: it gave up.
        """
        try:
            import duckdb  # noqa: PLC0415
        except ImportError:
            raise ConfigError("DuckDB is not installed: pip install 'model-orchestrator[duckdb]'") from None
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="orchestrator-costs-"))
        try:
            self._database = self._stack.enter_context(duckdb.connect(str(Path(directory) / "lines.db")))
            self._database.execute(
                f"SET threads = {_THREADS}; SET memory_limit = '{self._memory_mb}MB';"
                " SET preserve_insertion_order = false"
            )
            self._with_room(self._load)
        except duckdb.Error as error:
            self._stack.close()
            raise Unfit from error
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _with_room(self, action: Callable[[], _T]) -> _T:
        """Do it, and again with much more memory if it does not fit."""
        import duckdb  # noqa: PLC0415

        try:
            return action()
        except duckdb.OutOfMemoryException:
            self._database.execute(f"SET memory_limit = '{_PLENTY_MB}MB'")
            return action()

    def _load(self) -> None:
        import duckdb  # noqa: PLC0415

        database = self._database
        files = {"files": list(self._names)}
        try:
            database.execute(statements.load(self._columns, warily=False), files)
        except duckdb.InvalidInputException:
            database.execute(statements.load(self._columns, warily=True), files)
        database.execute(statements.uses(self._columns))
        database.execute("CREATE OR REPLACE TABLE again (h UBIGINT, more BIGINT, kept BIGINT)")
        (count,) = database.execute("SELECT count(*) FROM lines").fetchone()
        parts = count // _AT_ONCE + 1
        for part in range(parts):
            database.execute(statements.again(parts, part))
        database.execute(statements.FORGET)

    def find(self, query: Query) -> Findings:
        """Add up what the query asks for.

        Raises:
            Unfit: DuckDB gave up.
        """
        import duckdb  # noqa: PLC0415

        try:
            return self._with_room(lambda: _Question(self._database, query).answered())
        except duckdb.Error as error:
            raise Unfit from error


class _Question:
    """One query on lines that were read."""

    def __init__(self, database: Any, query: Query) -> None:
        self._database = database
        self._query = query
        self._findings = Findings()

    def answered(self) -> Findings:
        findings, query = self._findings, self._query
        self._database.execute(f"CREATE OR REPLACE TEMP VIEW chosen AS SELECT * FROM uses WHERE {self._wanted()}")
        odd = self._add_odd()
        findings.faults.duplicates += next(self._rows("SELECT coalesce(sum(more), 0) FROM again"))[0]
        for first, last in self._rows(statements.SPAN):
            findings.span(first, last)
        self._add_cells()
        self._add_latencies(odd)
        for reason, count in self._rows(statements.REASONS):
            findings.reasons[reason] = findings.reasons.get(reason, 0) + count
        if query.tags:
            for name, count in self._rows(statements.TAGS):
                findings.tags[name] = findings.tags.get(name, 0) + count
        if query.dearest:
            findings.dear([Call(*row) for row in self._rows(statements.DEAREST, query.dearest)], query.dearest)
        return findings

    def _wanted(self) -> str:
        query = self._query
        bounds = [("ts >= TIMESTAMP {}", query.since), ("ts < TIMESTAMP {}", query.until)]
        tests = [form.format(_quoted(ts)) for form, ts in bounds if ts is not None]
        tests += [_test(name, value) for name, value in query.where.items()]
        return " AND ".join(tests) or "true"

    def _rows(self, sql: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
        cursor = self._database.execute(sql, list(parameters))
        while rows := cursor.fetchmany(_BATCH):
            yield from rows

    def _add_odd(self) -> Reader:
        odd = (row[0].encode().strip() for row in self._rows("SELECT odd FROM lines WHERE odd IS NOT NULL"))
        reader = Reader(self._query, self._findings)
        reader.read(line for line in odd if line)
        return reader

    def _add_cells(self) -> None:
        names = self._query.by
        width = len(names)
        keys, cells = list(map(_dimension, names)), self._findings.cells
        for row in self._rows(statements.cells(keys, _source(names))):
            # A name, and nothing spent, stand in many cells: one object each saves half of the memory.
            key = _key(row[:width])
            part = Measures(*(number or _ZEROS[type(number)] for number in row[width:]))
            if key in cells:  # of odd lines
                cells[key].add(part)
            else:
                cells[key] = part
        if self._findings.whole is not None:
            for row in self._rows(statements.cells((), "chosen")):
                self._findings.whole.add(Measures(*row))

    def _add_latencies(self, odd: Reader) -> None:
        finest = self._query.finest
        named = {name: f"k{i}" for i, name in enumerate(finest)}
        keys = "".join(f"{_dimension(name)} AS {place}, " for name, place in named.items())
        answers = f"SELECT {keys}took, first FROM {_source(finest)} WHERE last AND took IS NOT NULL"
        with self._more(odd, len(finest)) as more:
            for names in self._query.latency_by:
                places = [named[name] for name in names]
                found = self._rows(statements.latencies(places, f"({answers}{more})"))
                width = len(names)
                self._findings.latencies[names] = {_key(row[:width]): _percentiles(row[width:]) for row in found}

    @contextmanager
    def _more(self, odd: Reader, width: int) -> Iterator[str]:
        """Durations of odd lines, put beside the others: what is left to say of them after the rest of a statement."""
        rows = [(*key, _code(us), _code(first_us)) for key, us, first_us in odd.durations()]
        if not rows:
            yield ""
            return
        columns = ", ".join([*(f"k{i} VARCHAR" for i in range(width)), "took USMALLINT, first USMALLINT"])
        self._database.execute(f"CREATE OR REPLACE TEMP TABLE more ({columns})")
        self._database.executemany(f"INSERT INTO more VALUES ({', '.join('?' * (width + 2))})", rows)
        yield " UNION ALL SELECT * FROM more"
        self._database.execute("DROP TABLE more")


def _source(names: Collection[str]) -> str:
    """Attempts, or where a dimension of budgets is named, an attempt for each budget that counts it."""
    if not of_budgets(names):
        return "chosen"
    return "(SELECT *, unnest(CASE WHEN len(budgets) > 0 THEN budgets ELSE [NULL] END) AS share FROM chosen)"


def _key(values: Sequence[str | None]) -> Key:
    return tuple(None if value is None else sys.intern(value) for value in values)


def _percentiles(row: Sequence[Any]) -> Percentiles:
    answered, whole, streamed, first = row
    return Percentiles.of(answered, _ms(whole), streamed, _ms(first))


def _ms(found: Sequence[int | None]) -> Sequence[float | None]:
    """Milliseconds of codes; see `statements`."""
    return [None if code is None else code % 1000 * 10 ** (code // 1000) / 1000 for code in found]


def _code(us: int | None) -> int | None:
    if us is None:
        return None
    zeros = max(0, len(str(us)) - 3)
    return zeros * 1000 + us // int(10**zeros)


_NAMED = {"model", "error", "deployment", "provider", "price_row"}
"""Dimensions that are always kept."""


def _columns(name: str) -> set[str]:
    """The columns of `lines` that a dimension is found in."""
    if name in {"day", "hour"} or name in _NAMED:
        return set()
    return {"budgets"} if name in SHARES else {"tags"} if name.startswith("tag:") else {name}


def _dimension(name: str) -> str:
    if name in {"day", "hour"}:
        return statements.DAY if name == "day" else statements.HOUR
    if name in SHARES:
        return f"nullif(share['{name}'], '')"
    if name.startswith("tag:"):
        return f"nullif(tags->>{_quoted(_pointer(name[4:]))}, '')"
    return f"nullif(\"{name}\", '')"


def _test(name: str, value: str) -> str:
    if name not in SHARES:
        return f"coalesce({_dimension(name)}, '') = {_quoted(value)}"
    found = f"list_contains([coalesce(one['{name}'], '') FOR one IN budgets], {_quoted(value)})"
    return f"coalesce({found}, false)" if value else f"coalesce({found}, true)"


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
