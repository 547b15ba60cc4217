"""Lines in, findings out, by whichever engine is there: both give the same to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, TypeAlias

from orchestrator.dashboards.query import Query
from orchestrator.dashboards.records import Repricer
from orchestrator.dashboards.sources import STDIN, expand, lines_of
from orchestrator.dashboards.streaming import Reader
from orchestrator.dashboards.tally import Findings
from orchestrator.errors import ConfigError

__all__ = ["EngineName", "gather"]

EngineName: TypeAlias = Literal["auto", "duckdb", "python"]


def gather(
    sources: Sequence[str], query: Query, *, engine: EngineName = "auto", reprice: Repricer | None = None
) -> Findings:
    """Read all lines of files, directories, patterns or `-` (stdin) and add them up.

    `auto` takes DuckDB where it is installed. Lines priced again, and those from stdin, are read by Python.

    Raises:
        ConfigError: a file that is not there or cannot be read, or `duckdb` asked for where it cannot be had.
    """
    names = expand(sources)
    can = reprice is None and STDIN not in names and bool(names)
    if engine == "duckdb" and not can:
        raise ConfigError("DuckDB reads files only, and does not price again: leave --engine out")
    if engine == "duckdb" or (engine == "auto" and can and find_spec("duckdb") is not None):
        from orchestrator.dashboards.duck import Unfit, gather_by_duckdb  # noqa: PLC0415

        try:
            return gather_by_duckdb(names, query)
        except Unfit:  # a line of 20 MB, text that is no UTF-8: rare, and no reason to fail
            pass
    reader = Reader.over(query, Findings(), reprice)
    for name in names:
        reader.read(lines_of(name))
    return reader.findings
