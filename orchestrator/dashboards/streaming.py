"""The engine that needs nothing: one line at a time. Memory grows with the groups, and by 8 bytes per call."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from orchestrator.dashboards.query import Query, of_budgets
from orchestrator.dashboards.records import NO_SHARE, Record, Repricer, Use, parse
from orchestrator.dashboards.tally import Call, Findings, Key, Latency, Measures, rounded_us, summed

__all__ = ["Reader"]

_MAX_UNPACKED = 200_000
_ONE_SHARE = (NO_SHARE,)


class _Seen:
    """Which lines were there before, by a hash of 64 bits. All but the latest are packed, 8 bytes a line, by hour."""

    def __init__(self) -> None:
        self._latest: dict[str, set[int]] = {}
        self._packed: dict[str, array[int]] = {}
        self._unpacked = 0

    def again(self, hour: str, line: bytes) -> bool:
        """Whether the same bytes came before; remembers them."""
        digest = hash(line) & 0xFFFF_FFFF_FFFF_FFFF
        latest = self._latest.setdefault(hour, set())
        if digest in latest or self._is_packed(hour, digest):
            return True
        latest.add(digest)
        self._unpacked += 1
        if self._unpacked >= _MAX_UNPACKED:
            self._pack()
        return False

    def _is_packed(self, hour: str, digest: int) -> bool:
        packed = self._packed.get(hour)
        if packed is None:
            return False
        at = bisect_left(packed, digest)
        return at < len(packed) and packed[at] == digest

    def _pack(self) -> None:
        for hour, latest in self._latest.items():
            self._packed[hour] = array("Q", sorted([*self._packed.get(hour, ()), *latest]))
        self._latest.clear()
        self._unpacked = 0


class Reader:
    """Adds lines to findings."""

    def __init__(self, query: Query, findings: Findings, reprice: Repricer | None = None) -> None:
        self.query = query
        self.findings = findings
        self.reprice = reprice
        self._seen = _Seen()
        self._latencies: dict[Key, Latency] = {}
        self._several = of_budgets(query.by)
        self._several_latencies = of_budgets(query.finest)
        if self._several:
            findings.whole = Measures()

    def read(self, lines: Iterable[bytes]) -> None:
        """Add the lines."""
        for line in lines:
            self.add(line)

    def add(self, raw: bytes) -> None:
        """Add a line."""
        found = parse(raw, self.reprice)
        faults = self.findings.faults
        if isinstance(found, Record):
            line = found.line
            if line.get("call_id") and self._seen.again(line["ts"][:13], raw):
                faults.duplicates += 1
            elif self._in_period(line["ts"]):
                self._add_call(found)
        elif isinstance(found, str):
            setattr(faults, found, getattr(faults, found) + 1)
        else:
            faults.other_events += 1
            self._add_notice(found)

    def _in_period(self, ts: str) -> bool:
        query = self.query
        return (query.since is None or ts >= query.since) and (query.until is None or ts < query.until)

    def _add_notice(self, line: Mapping[str, Any]) -> None:
        name, ts = line["event"], line["ts"]
        count, last = self.findings.notices.get(name, (0, ""))
        self.findings.notices[name] = (count + 1, max(last, ts))

    def _add_call(self, record: Record) -> None:
        query, findings = self.query, self.findings
        chosen = [use for use in record.uses if self._wanted(record, use)]
        for use in chosen:
            for share in use.shares() if self._several else _ONE_SHARE:
                findings.cell(tuple(map(record.values(use, share), query.by))).add(use.adds)
            if findings.whole is not None:
                findings.whole.add(use.adds)
            if use.reason is not None:
                findings.reasons[use.reason] = findings.reasons.get(use.reason, 0) + 1
        if not chosen:
            return
        line = record.line
        findings.span(line["ts"], line["ts"])
        tags = line.get("tags") if query.tags else None
        for name in tags if isinstance(tags, dict) else ():
            findings.tags[name] = findings.tags.get(name, 0) + 1
        if chosen[-1] is record.uses[-1]:
            self._add_latency(record, chosen[-1])
        if query.dearest:
            self._add_dear(record, chosen)

    def _wanted(self, record: Record, use: Use) -> bool:
        where = self.query.where
        if not where:
            return True
        shares = use.shares() if of_budgets(where) else _ONE_SHARE
        return all(
            any((record.values(use, share)(name) or "") == wanted for share in shares) for name, wanted in where.items()
        )

    def _add_latency(self, record: Record, use: Use) -> None:
        line, duration = record.line, record.line.get("duration_ms")
        if line.get("status") != "ok" or not isinstance(duration, int | float):
            return
        first = line.get("first_token_ms")
        for share in use.shares() if self._several_latencies else _ONE_SHARE:
            key = tuple(map(record.values(use, share), self.query.finest))
            latency = self._latencies.setdefault(key, Latency())
            latency.whole.add(rounded_us(duration))
            if isinstance(first, int | float):
                latency.first.add(rounded_us(first))

    def durations(self) -> Iterator[tuple[Key, int | None, int | None]]:
        """Those read so far: the finest key, microseconds of an answer, or else those of a first token."""
        for key, latency in self._latencies.items():
            for us, count in latency.whole.counts.items():
                yield from [(key, us, None)] * count
            for us, count in latency.first.counts.items():
                yield from [(key, None, us)] * count

    def finish(self) -> Findings:
        """The findings, percentiles included."""
        finest = self.query.finest
        for names in self.query.latency_by:
            places = [finest.index(name) for name in names]
            merged: dict[Key, Latency] = {}
            for key, latency in self._latencies.items():
                merged.setdefault(tuple(key[place] for place in places), Latency()).merge(latency)
            self.findings.latencies[names] = {key: latency.percentiles() for key, latency in merged.items()}
        return self.findings

    def _add_dear(self, record: Record, uses: list[Use]) -> None:
        sums = summed(use.adds for use in uses)
        dearest, keep = self.findings.dearest, self.query.dearest
        if sums.cost_usd <= 0 or (len(dearest) >= keep and sums.cost_usd < dearest[-1].cost_usd):
            return
        line, last = record.line, uses[-1]
        call = Call(
            cost_usd=Decimal(sums.cost_usd),
            ts=line["ts"],
            call_id=str(line.get("call_id") or ""),
            route=str(line.get("route") or ""),
            model=last.model or "",
            deployment=last.deployment or "",
            tenant=str(line.get("tenant") or ""),
            tokens=sums.input_tokens + sums.output_tokens,
            attempts=sum(use.adds.attempts for use in uses),
        )
        self.findings.dear([call], keep)
