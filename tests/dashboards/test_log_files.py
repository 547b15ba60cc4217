"""The files that logs are kept in: rotated, compressed, one per process, empty, and being written."""

from __future__ import annotations

import gzip
import os
import sys
from contextlib import closing

import pytest
from log_lines import log

from orchestrator.cli.costs_asking import configured
from orchestrator.dashboards import Query, gather
from orchestrator.errors import ConfigError

QUERY = Query(by=("day", "model", "tenant"), latency_by=((), ("model",)), dearest=3)
ENGINES = pytest.mark.parametrize("engine", ["python", "auto"])
LINES = log(11, 60, faulty=False)
FILE = """
version: 1
providers: {{openai: {{kind: openai, api_key: {{env: NO_SUCH_KEY}}}}}}
routes: {{answer: openai/gpt-4o-mini}}
log: {{path: "{path}"}}
"""


def text(lines):
    return b"".join(line + b"\n" for line in lines)


def written_zst(path, lines):
    """Written by DuckDB, which can compress so on every Python."""
    duckdb = pytest.importorskip("duckdb")
    plain = path.with_suffix(".plain")
    plain.write_bytes(text(lines))
    source = f"read_csv('{plain}', columns={{'a': 'VARCHAR'}}, delim='\x1f', quote='', escape='', header=false)"
    with closing(duckdb.connect()) as database:
        database.execute(
            f"COPY (SELECT a FROM {source}) TO '{path}'"
            " (FORMAT csv, DELIMITER '\x1f', QUOTE '', ESCAPE '', HEADER false, COMPRESSION zstd)"
        )
    plain.unlink()


@pytest.fixture
def whole(tmp_path_factory):
    """What one plain file of all lines says."""
    path = tmp_path_factory.mktemp("whole") / "calls.jsonl"
    path.write_bytes(text(LINES))
    return gather([str(path)], QUERY, engine="python")


@ENGINES
def test_rotated_and_compressed_files_are_one_log(tmp_path, engine, whole):
    """The log, what was rotated away and what of it was gzipped are read together, as one file would be."""
    (tmp_path / "calls.jsonl").write_bytes(text(LINES[40:]))
    (tmp_path / "calls-2026-05-28.1.jsonl").write_bytes(text(LINES[20:40]))
    (tmp_path / "calls-2026-05-28.2.jsonl.gz").write_bytes(gzip.compress(text(LINES[:20])))
    for sources in ([str(tmp_path)], [str(tmp_path / "calls*.jsonl*")], configured_for(tmp_path, "calls.jsonl")):
        assert gather(sources, QUERY, engine=engine) == whole


def configured_for(folder, path):
    """The sources that a configuration with that log path names."""
    (folder / "orchestrator.yaml").write_text(FILE.format(path=path))
    return configured(str(folder / "orchestrator.yaml"))


@ENGINES
@pytest.mark.parametrize("path", ["calls-{pid}.jsonl", "{host}-{pid}.jsonl"])
def test_a_file_per_process(tmp_path, engine, whole, path):
    """A log with {pid} or {host} in its name is all files of that form."""
    for number, part in ((17, LINES[:30]), (18, LINES[30:])):
        name = path.replace("{pid}", str(number)).replace("{host}", "web-1")
        (tmp_path / name).write_bytes(text(part))
    assert gather(configured_for(tmp_path, path), QUERY, engine=engine) == whole


def test_zstandard_is_read_by_duckdb(tmp_path, whole):
    """A .zst file among others is read by DuckDB; a Python that cannot says what can."""
    written_zst(tmp_path / "calls-old.jsonl.zst", LINES[:30])
    (tmp_path / "calls.jsonl").write_bytes(text(LINES[30:]))
    assert gather([str(tmp_path)], QUERY, engine="duckdb") == whole
    if sys.version_info >= (3, 14):
        assert gather([str(tmp_path)], QUERY, engine="python") == whole
    else:
        with pytest.raises(ConfigError, match=r"model-orchestrator\[duckdb\]"):
            gather([str(tmp_path)], QUERY, engine="python")


@ENGINES
def test_empty_files_add_nothing(tmp_path, engine, whole):
    """An empty log beside a full one changes nothing; alone it is no calls, and no error."""
    (tmp_path / "calls.jsonl").write_bytes(b"")
    empty = gather([str(tmp_path)], QUERY, engine=engine)
    assert (empty.total().calls, empty.first, empty.faults.truncated) == (0, None, 0)
    (tmp_path / "calls-2026-05-28.1.jsonl").write_bytes(text(LINES))
    assert gather([str(tmp_path)], QUERY, engine=engine) == whole


@ENGINES
def test_a_file_being_written_ends_in_the_middle_of_a_line(tmp_path, engine, whole):
    """The line that is not whole yet is counted as cut; when the rest has come, so is its call."""
    path = tmp_path / "calls.jsonl"
    path.write_bytes(text(LINES)[:-40])
    before = gather([str(path)], QUERY, engine=engine)
    assert before.faults.truncated == 1
    assert before.total().calls == whole.total().calls - 1
    path.write_bytes(text(LINES))
    assert gather([str(path)], QUERY, engine=engine) == whole


@ENGINES
def test_a_gzip_that_is_cut_off_is_an_error_that_names_it(tmp_path, engine):
    """Half of a compressed file cannot be read to its end; nobody is shown half of the money."""
    path = tmp_path / "calls.jsonl.gz"
    path.write_bytes(gzip.compress(os.urandom(10) + text(LINES))[:-200])
    with pytest.raises(ConfigError, match=r"calls\.jsonl\.gz"):
        gather([str(path)], QUERY, engine=engine)
