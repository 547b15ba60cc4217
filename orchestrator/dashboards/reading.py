"""Lines in, findings out, by whichever engine is there: both give the same to the last digit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from orchestrator.dashboards.query import Query
from orchestrator.dashboards.records import Repricer
from orchestrator.dashboards.sources import STDIN, expand, lines_of
from orchestrator.dashboards.streaming import Reader
from orchestrator.dashboards.tally import Findings
from orchestrator.errors import ConfigError

if TYPE_CHECKING:
    from orchestrator.dashboards.duck import DuckLog

__all__ = ["EngineName", "Log", "gather"]

EngineName: TypeAlias = Literal["auto", "duckdb", "python"]


class Log:
    """Files, directories, patterns or `-` (stdin), to be asked about some dimensions. A context manager.

    `auto` takes DuckDB where it is installed, which reads once for all questions. Lines priced again, and those from
    stdin, are read by Python, for each question; stdin can be read only once.

    Raises:
        ConfigError: a file that is not there, or `duckdb` asked for where it cannot be had.
    """

    def __init__(
        self,
        sources: Sequence[str],
        dimensions: Collection[str],
        *,
        engine: EngineName = "auto",
        reprice: Repricer | None = None,
    ) -> None:
        self._names = expand(sources)
        self._reprice = reprice
        self._dimensions = dimensions
        self._duck: DuckLog | None = None
        can = reprice is None and STDIN not in self._names and bool(self._names)
        if engine == "duckdb" and not can:
            raise ConfigError("DuckDB reads files only, and does not price again: leave --engine out")
        self._by_duckdb = engine == "duckdb" or (engine == "auto" and can and find_spec("duckdb") is not None)

    def __enter__(self) -> Self:
        if self._by_duckdb:
            from orchestrator.dashboards.duck import DuckLog, Unfit  # noqa: PLC0415

            with suppress(Unfit):  # a line of 20 MB, text that is no UTF-8: rare, and no reason to fail
                self._duck = DuckLog(self._names, self._dimensions).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._duck is not None:
            self._duck.__exit__(*error)

    def find(self, query: Query) -> Findings:
        """Add up what the query asks for.

        Raises:
            ConfigError: a file cannot be read.
        """
        if self._duck is not None:
            from orchestrator.dashboards.duck import Unfit  # noqa: PLC0415

            with suppress(Unfit):
                return self._duck.find(query)
        reader = Reader(query, Findings(), self._reprice)
        for name in self._names:
            reader.read(lines_of(name))
        return reader.finish()


def gather(
    sources: Sequence[str], query: Query, *, engine: EngineName = "auto", reprice: Repricer | None = None
) -> Findings:
    """Read all lines and add them up: a `Log` asked one question.

    Raises:
        ConfigError: as `Log`.
    """
    with Log(sources, query.dimensions, engine=engine, reprice=reprice) as log:
        return log.find(query)
