"""Log lines read, grouped and added up: what `orchestrator costs` prints and the page is drawn from.

`gather(sources, Query(...))` reads lines into `Findings`; `roll_up(sources)` makes the `Rollup` of the page.
"""

from orchestrator.dashboards.query import Query
from orchestrator.dashboards.reading import gather
from orchestrator.dashboards.rollup import Rollup, roll_up
from orchestrator.dashboards.tally import Findings, Measures

__all__ = ["Findings", "Measures", "Query", "Rollup", "gather", "roll_up"]
