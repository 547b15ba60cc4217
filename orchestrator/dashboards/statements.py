"""The SQL of the DuckDB engine. It must mean what `records` and `tally` mean; a test compares the two.

A line is read as text, since only its text has all digits of the money, and taken apart once. What a question needs is
kept in the table `lines`, one row per line; `uses` has a row per attempt, as `records.Use` is one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator.dashboards.query import SHARES

__all__ = ["DAY", "DEAREST", "FORGET", "HOUR", "REASONS", "SPAN", "TAGS", "again", "cells", "latencies", "load", "uses"]

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

_TEXT, _COUNT = "VARCHAR", "BIGINT"
_USED: Mapping[str, str] = {
    "deployment": _TEXT, "provider": _TEXT, "price_row": _TEXT, "usage_source": _TEXT, "cost_unknown": _TEXT,
    **dict.fromkeys(_TOKENS, _COUNT), "search_units": _TEXT,
}  # fmt: skip
_SHARES = "[{" + ", ".join(f'"{name}": "VARCHAR"' for name in SHARES) + "}]"
_OF_CALL = ("route", "task", "region", "tenant", "user")
_OF_USE = ("deployment", "provider", "model", "error", "price_row")

_COST = '"cost_usd":(null|-?[0-9]{1,12}(?:[.][0-9]{1,40})?(?:[eE]-[0-9]{1,2})?)[,}]'
"""An amount that `DECIMAL(38, 24)` holds, rounded as `records.as_money` does. Other ones make the line an odd one."""


def _structure(columns: Collection[str]) -> str:
    """The keys of a line that are looked at, as `from_json` takes them."""
    shares = _SHARES if "budgets" in columns else None
    one = {name: f'"{kind}"' for name, kind in _USED.items()} | ({"budgets": shares} if shares else {})
    one_try = one | {"model": '"VARCHAR"', "error": '"VARCHAR"', "repair": '"BOOLEAN"'}
    del one_try["reasoning_tokens"]
    line = {
        "ts": '"VARCHAR"', "event": '"JSON"', "schema": '"JSON"', "call_id": '"VARCHAR"', "status": '"VARCHAR"',
        "error_type": '"VARCHAR"', "request_model": '"VARCHAR"', "cost_usd": '"DOUBLE"', "items": '"BIGINT"',
        "duration_ms": '"DOUBLE"', "first_token_ms": '"DOUBLE"', "attempts": f"[{_object(one_try)}]",
    }  # fmt: skip
    more = {name: '"VARCHAR"' for name in _OF_CALL if name in columns} | (
        {"tags": '"JSON"'} if "tags" in columns else {}
    )
    return _object(line | one | more)


def _object(fields: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {kind}' for name, kind in fields.items()) + "}"


def _us(column: str) -> str:
    # DuckDB's greatest() passes NULL over.
    known = f"j.status = 'ok' AND j.duration_ms IS NOT NULL AND j.{column} IS NOT NULL"
    return f"CASE WHEN {known} THEN CAST(greatest(0, floor(j.{column} * 1000 + 0.5)) AS BIGINT) END"


def _coded(us: str) -> str:
    """A duration as `tally.rounded_us` gives it, in two bytes: n * 1000 + q for the microseconds q * 10**n.

    The codes are in the order of the durations, so percentiles can be taken of them.
    """
    parts = ((n, f"({us} + {10**n} // 2) // {10**n}") for n in range(13))
    steps = " ".join(f"WHEN {us} < {1000 * 10**n} THEN {n * 1000} + {q} + 100 * ({q} = 1000)::INT" for n, q in parts)
    return f"CAST(CASE {steps} END AS USMALLINT)"


def _is_time(ts: str) -> str:
    """Whether it is a time in the one form of the lines, so that the text can be told from the time."""
    form = f"strlen({ts}) = 24 AND contains({ts}, 'T') AND ends_with({ts}, 'Z')"
    return f"{form} AND TRY_CAST({ts} AS TIMESTAMP) IS NOT NULL"


def load(columns: Collection[str], *, warily: bool) -> str:
    """Makes the table `lines` of `$files`: of the columns named, and of all measures.

    A line that is odd in any way (no call, cut, another shape) is kept as text, for Python to look at. Cut lines that
    begin and end as whole ones do are met `warily` only, which takes longer. The delimiter is a control character,
    which JSON never has bare.
    """
    parsed = f"from_json(line, '{_structure(columns)}')"
    kept = {
        "h": "h", "named": "j.call_id <> ''", "ts": "TRY_CAST(j.ts AS TIMESTAMP)",
        "ok": "coalesce(j.status, '') = 'ok'",
        "tries": "CASE WHEN len(j.attempts) > 0 THEN j.attempts END",
        "try_costs": "all_digits[2:]",
        "cost": "TRY_CAST(nullif(digits, 'null') AS DECIMAL(38, 24))",
        "model": "j.request_model", "error": "j.error_type", "items": "j.items",
        "took": _coded("took_us"), "first": _coded("first_us"),
        **{name: f"j.{name}" for name in _USED},
    }  # fmt: skip
    named = {**{name: name for name in _OF_CALL}, "status": "status", "tags": "tags", "budgets": "budgets"}
    kept |= {name: f'j."{key}"' for name, key in named.items() if name in columns}
    kept |= {"call_id": "j.call_id"} if "call_id" in columns else {}
    taken = ", ".join(f'{what} AS "{name}"' for name, what in kept.items())
    return f"""
CREATE OR REPLACE TABLE lines AS
SELECT odd, {taken}
FROM (SELECT CASE WHEN plain THEN NULL ELSE line END AS odd, CASE WHEN plain THEN h END AS h,
             CASE WHEN plain THEN j END AS j, CASE WHEN plain THEN digits END AS digits, all_digits,
             CASE WHEN plain THEN {_us("duration_ms")} END AS took_us,
             CASE WHEN plain THEN {_us("first_token_ms")} END AS first_us
      FROM (SELECT *, coalesce(j.event = '"llm.call"' AND j.schema = '1' AND {_is_time("j.ts")} AND digits <> ''
                   AND TRY_CAST(nullif(digits, 'null') AS DOUBLE) IS NOT DISTINCT FROM j.cost_usd
                   AND coalesce(len(all_digits), 1) = 1 + coalesce(len(j.attempts), 0), false) AS plain
            FROM (SELECT *, CASE WHEN len(j.attempts) > 0 THEN regexp_extract_all(line, '{_COST}', 1) END AS all_digits
                  FROM (SELECT line, hash(line) AS h, regexp_extract(line, '{_COST}', 1) AS digits,
                               CASE WHEN starts_with(line, '{{') AND ends_with(line, '}}')
                               THEN {f"TRY({parsed})" if warily else parsed} END AS j
                        FROM read_csv($files, columns = {{'line': 'VARCHAR'}}, delim = '\x1f', quote = '', escape = '',
                                      header = false, auto_detect = false, max_line_size = 16777216,
                                      buffer_size = 33554432)
                        WHERE line IS NOT NULL))))
"""


def again(parts: int, part: int) -> str:
    """Finds the lines that are there more than once, a part at a time, so that the counters fit into memory.

    Times of refused calls may be equal and their ids empty, so those are never taken for copies.
    """
    return f"""
INSERT INTO again SELECT h, count(*) - 1, max(rowid) FROM lines
WHERE named AND h % {parts}::UBIGINT = {part}::UBIGINT GROUP BY h HAVING count(*) > 1
"""


FORGET = "DELETE FROM lines USING again WHERE named AND lines.h = again.h AND lines.rowid <> again.kept"


def uses(columns: Collection[str]) -> str:
    """Makes the view `uses`."""
    call = [name for name in (*_OF_CALL, "status", "tags", "call_id") if name in columns]
    call_parts = "".join(f', "{name}"' for name in ("ts", "ok", "took", "first", *call))
    shares = ("budgets",) if "budgets" in columns else ()
    tokens = (*_TOKENS[:4], "search_units")
    single = ", ".join((*_OF_USE, *tokens, "usage_source", "cost_unknown", *shares))
    several = ", ".join(
        [
            "t.deployment, t.provider, t.model, CASE WHEN i = len(tries) THEN error ELSE t.error END, t.price_row",
            *(f"t.{name}" for name in (*tokens, "usage_source")),
            "coalesce(nullif(t.cost_unknown, ''), cost_unknown)",
            *(f"t.{name}" for name in shares),
        ]
    )
    return f"""
CREATE OR REPLACE VIEW uses AS
SELECT *, cost IS NULL AND usage_source IS NOT NULL AS unpriced FROM (
    SELECT NULL AS line, 1 AS i, true AS last, nullif(deployment, '') IS NOT NULL AS asked, NULL AS step,
        nullif(error, '') IS NOT NULL AS failed, {single}, reasoning_tokens, items, cost{call_parts}
    FROM lines WHERE tries IS NULL AND h IS NOT NULL
    UNION ALL
    SELECT line, i, i = len(tries), true,
        CASE WHEN i = 1 THEN NULL WHEN t.repair THEN 'repair'
             WHEN t.deployment IS NOT DISTINCT FROM tries[i - 1].deployment THEN 'retry' ELSE 'failover' END,
        nullif(t.error, '') IS NOT NULL, {several},
        CASE WHEN i = len(tries) THEN reasoning_tokens END, CASE WHEN i = len(tries) THEN items END,
        CAST(nullif(try_costs[i], 'null') AS DECIMAL(38, 24)){call_parts}
    FROM (SELECT *, rowid AS line, unnest(range(1, len(tries) + 1)) AS i, unnest(tries) AS t
          FROM lines WHERE tries IS NOT NULL))
"""


DAY = "CAST(CAST(ts AS DATE) AS VARCHAR)"
HOUR = "strftime(ts, '%Y-%m-%dT%H')"
_STAMP = "%Y-%m-%dT%H:%M:%S.%gZ"

SPAN = f"SELECT strftime(min(ts), '{_STAMP}'), strftime(max(ts), '{_STAMP}') FROM chosen"

_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in _TOKENS)


def cells(keys: Sequence[str], source: str) -> str:
    """Sums in the order of `tally`: counts, then amounts. `keys` are expressions."""
    return f"""
SELECT {_listed(keys)} count(*) FILTER (last), count(*) FILTER (asked), count(*) FILTER (last AND NOT ok),
    count(*) FILTER (failed), {_SUMS}, coalesce(sum(items), 0), count(*) FILTER (unpriced),
    coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) FILTER (unpriced), 0),
    count(*) FILTER (step = 'retry'), count(*) FILTER (step = 'failover'), count(*) FILTER (step = 'repair'),
    coalesce(sum(TRY_CAST(search_units AS DECIMAL(38, 12))), 0), coalesce(sum(cost), 0),
    coalesce(sum(cost) FILTER (usage_source = 'estimate'), 0), coalesce(sum(cost) FILTER (failed), 0)
FROM {source} {_grouping(keys)} HAVING count(*) > 0
"""


def latencies(keys: Sequence[str], source: str) -> str:
    """Counts and percentiles as codes, of whole answers and of first tokens; both by nearest rank.

    Sorted lists take a third of the memory that DuckDB's quantiles do, where there are many groups.
    """
    lists = ", ".join(f"list_sort(list({name}) FILTER ({name} IS NOT NULL)) AS {name}" for name in ("took", "first"))
    ranked = ", ".join(
        f"coalesce(len({name}), 0), [{name}[(len({name}) * share + 99) // 100] FOR share IN [50, 95, 99]]"
        for name in ("took", "first")
    )
    return f"""
SELECT {_listed(keys)} {ranked} FROM (SELECT {_listed(keys)} {lists} FROM {source} {_grouping(keys)})
WHERE took IS NOT NULL
"""


def _listed(keys: Sequence[str]) -> str:
    return "".join(f"{key}, " for key in keys)


def _grouping(keys: Sequence[str]) -> str:
    return f"GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""


REASONS = "SELECT coalesce(nullif(cost_unknown, ''), 'not said'), count(*) FROM chosen WHERE unpriced GROUP BY 1"

TAGS = """
SELECT name, count(*) FILTER (line IS NULL) + count(DISTINCT line)
FROM (SELECT line, unnest(json_keys(tags)) AS name FROM chosen) GROUP BY 1
"""

_CALL = """
ts, coalesce(call_id, ''), coalesce(route, ''), {model}, {deployment}, coalesce(tenant, '')
"""
_LAST = "arg_max(coalesce({}, ''), i)"
DEAREST = f"""
SELECT * REPLACE (strftime(ts, '{_STAMP}') AS ts) FROM (
    SELECT cost, {_CALL.format(model="coalesce(model, '')", deployment="coalesce(deployment, '')")},
        coalesce(input_tokens, 0) + coalesce(output_tokens, 0), CAST(asked AS INTEGER)
    FROM chosen WHERE line IS NULL AND cost > 0
    UNION ALL
    SELECT sum(cost), {_CALL.format(model=_LAST.format("model"), deployment=_LAST.format("deployment"))},
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), count(*)
    FROM chosen WHERE line IS NOT NULL GROUP BY line, ts, call_id, route, tenant HAVING sum(cost) > 0)
ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC, 5 DESC, 6 DESC, 7 DESC, 8 DESC, 9 DESC LIMIT ?
"""
