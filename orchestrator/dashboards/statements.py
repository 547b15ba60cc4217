"""The SQL of the DuckDB engine. It must mean what `records` and `tally` mean; a test compares the two."""

from __future__ import annotations

__all__ = ["AGAIN", "CALLS", "CELLS", "DEAREST", "LATENCIES", "LOAD", "REASONS", "SPAN", "TAGS", "TOKENS"]

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

_FIELDS = {
    "ts": "VARCHAR", "call_id": "VARCHAR", "route": "VARCHAR", "task": "VARCHAR", "status": "VARCHAR",
    "error_type": "VARCHAR", "deployment": "VARCHAR", "provider": "VARCHAR", "region": "VARCHAR",
    "request_model": "VARCHAR", "tenant": "VARCHAR", "user": "VARCHAR", "tags": "JSON",
    **dict.fromkeys(TOKENS, "BIGINT"), "search_units": "VARCHAR", "usage_source": "VARCHAR", "items": "BIGINT",
    "cost_unknown": "VARCHAR", "price_row": "VARCHAR", "duration_ms": "DOUBLE", "first_token_ms": "DOUBLE",
}  # fmt: skip
_STRUCTURE = "{" + ", ".join(f'"{name}": "{kind}"' for name, kind in _FIELDS.items()) + "}"

# A line is read as one column: the delimiter is a control character, which JSON never has bare. Times of refused calls
# may be equal and their ids empty, so those are never taken for copies.
LOAD = (
    (
        """
CREATE TABLE raw AS
SELECT hash(line) AS h, CASE WHEN plain THEN NULL ELSE line END AS odd,
       CASE WHEN plain THEN from_json(line, '$structure') END AS j,
       CASE WHEN plain THEN TRY_CAST(digits AS DECIMAL(38, 24)) END AS cost
FROM (SELECT line, digits, starts_with(line, '{"ts":"') AND ends_with(line, '}')
             AND contains(line, '"event":"llm.call"') AND contains(line, '"schema":1,')
             AND contains(line, '"attempts":null')
             AND (digits = 'null' OR regexp_full_match(digits, '[0-9]{1,12}([.][0-9]{1,24})?')) AS plain
      FROM (SELECT line, regexp_extract(line, '"cost_usd":([0-9.]+|null)[,}]', 1) AS digits
            FROM read_csv($files, columns = {'line': 'VARCHAR'}, delim = chr(31), quote = '', escape = '',
                          header = false, auto_detect = false, max_line_size = 16777216)
            WHERE line IS NOT NULL))
"""
    )
    .replace("$structure", _STRUCTURE)
    .replace("chr(31)", "'\x1f'")
)

AGAIN = """
CREATE TABLE again AS
SELECT h, count(*) - 1 AS more, max(rowid) AS kept FROM raw WHERE j IS NOT NULL AND j.call_id <> ''
GROUP BY h HAVING count(*) > 1
"""

CALLS = """
CREATE VIEW calls AS
SELECT * FROM (
    SELECT cost, {fields}, cost IS NULL AND j.usage_source IS NOT NULL AS unpriced FROM raw
    WHERE j IS NOT NULL AND (h NOT IN (SELECT h FROM again) OR rowid IN (SELECT kept FROM again)
                             OR coalesce(j.call_id, '') = ''))
WHERE {wanted}
""".replace("{fields}", ", ".join(f'j."{name}" AS "{name}"' for name in _FIELDS))

SPAN = "SELECT min(ts), max(ts) FROM calls"

_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in TOKENS)
CELLS = """
SELECT {keys} count(*), count(nullif(deployment, '')), count(*) FILTER (coalesce(status, '') <> 'ok'),
    count(nullif(error_type, '')), {sums}, coalesce(sum(items), 0), count(*) FILTER (unpriced),
    coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) FILTER (unpriced), 0), 0, 0, 0,
    coalesce(sum(TRY_CAST(search_units AS DECIMAL(38, 12))), 0), coalesce(sum(cost), 0),
    coalesce(sum(cost) FILTER (usage_source = 'estimate'), 0),
    coalesce(sum(cost) FILTER (nullif(error_type, '') IS NOT NULL), 0)
FROM calls {grouping} HAVING count(*) > 0
""".replace("{sums}", _SUMS)

# As `tally.rounded_us`, in whole numbers.
_STEP = "CAST(pow(10, greatest(0, length(CAST(us AS VARCHAR)) - 3)) AS BIGINT)"
LATENCIES = """
SELECT {keys} (us + {step} // 2) // {step} * {step}, count(*)
FROM (SELECT *, CAST(greatest(0, floor({column} * 1000 + 0.5)) AS BIGINT) AS us FROM calls
      WHERE status = 'ok' AND duration_ms IS NOT NULL AND {column} IS NOT NULL)
{grouping}
""".replace("{step}", _STEP)

REASONS = "SELECT coalesce(nullif(cost_unknown, ''), 'not said'), count(*) FROM calls WHERE unpriced GROUP BY 1"

TAGS = "SELECT unnest(json_keys(tags)), count(*) FROM calls GROUP BY 1"

DEAREST = """
SELECT cost, coalesce(ts, ''), coalesce(call_id, ''), coalesce(route, ''), coalesce(request_model, ''),
    coalesce(deployment, ''), coalesce(tenant, ''), coalesce(input_tokens, 0) + coalesce(output_tokens, 0),
    CASE WHEN nullif(deployment, '') IS NULL THEN 0 ELSE 1 END
FROM calls WHERE cost > 0
ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC, 5 DESC, 6 DESC, 7 DESC, 8 DESC LIMIT ?
"""
