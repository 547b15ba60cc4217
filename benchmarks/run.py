"""How much CPU a call costs, here and with other libraries; all figures of the documentation's page on speed.

    python benchmarks/run.py                             # everything, with every library that is installed
    python benchmarks/run.py --works chat embed --peers orchestrator aiohttp --rounds 5
    python benchmarks/run.py --markdown docs/performance.md --profile benchmarks/profiles

Each library does each work in a process of its own, against one vendor on loopback. The rounds interleave them.
Quote ratios, not times: they hold on other machines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from speed.figures import FIGURES, measure_figures
from speed.pages import fill
from speed.peers import PEERS
from speed.rounds import Result, run_work, served
from speed.tables import Comparison, details, machine, markdown, overview
from speed.works import WORKS, Work

PROFILE_LINES = 25


def compare(works: Sequence[Work], args: argparse.Namespace) -> Comparison:
    """Run the works and print each when it is done."""
    done: list[tuple[Work, dict[str, Result]]] = []
    for tls in (False, True):
        wanted = [work for work in works if work.tls is tls]
        if not wanted:
            continue
        with served(tls=tls) as server:
            for work in wanted:
                results = run_work(work, server, args.peers, args.rounds, profile=PROFILE_LINES if args.profile else 0)
                print(details(work, results), flush=True)
                _keep_profile(args.profile, work, results)
                done.append((work, results))
    return sorted(done, key=lambda pair: works.index(pair[0]))


def _keep_profile(folder: Path | None, work: Work, results: dict[str, Result]) -> None:
    result = results.get("orchestrator")
    if folder is not None and result is not None and result.profile:
        folder.mkdir(exist_ok=True)
        (folder / f"{work.name}.txt").write_text(f"{work.title}\n{result.profile}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="all by default")
    parser.add_argument(
        "--works", nargs="*", choices=[work.name for work in WORKS], help="only these; all if none is named"
    )
    parser.add_argument("--figures", nargs="*", choices=list(FIGURES), help="only these, of this project alone")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the calls: to see that it works")
    parser.add_argument("--tls", action="store_true", help="every work under TLS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows there")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the tables into this page")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="keep a profile of each work there")
    return parser.parse_args()


def _wanted(name: str, named: Sequence[str] | None, others: Sequence[str] | None) -> bool:
    """Without either option everything, with one of them what it names, and all of its kind if it names nothing."""
    return others is None if named is None else not named or name in named


def main() -> None:
    """Measure what was asked for and print it."""
    args = _arguments()
    works = [work for work in WORKS if _wanted(work.name, args.works, args.figures)]
    if args.tls:
        works = [replace(work, tls=True) for work in works]
    if args.quick:
        works = [replace(work, calls=work.calls // 50) for work in works]
    comparison = compare(works, args)
    figures = measure_figures([name for name in FIGURES if _wanted(name, args.figures, args.works)], args.rounds)
    tables = {
        "comparison": markdown(overview(comparison)) if comparison else "",
        "figures": markdown(figures) if figures else "",
        "machine": machine(),
    }
    print("\n\n".join(filter(None, tables.values())))
    if args.json:
        rows = {work.name: {peer: result.rows for peer, result in results.items()} for work, results in comparison}
        args.json.write_text(json.dumps({"machine": tables["machine"], "works": rows, "figures": figures}, indent=1))
    if args.markdown:
        fill(args.markdown, tables)


if __name__ == "__main__":
    sys.exit(main())
