"""The report of `orchestrator dashboard`: one HTML file that holds its data, its style and its script.

`page_data` codes a `Rollup` for the page, `render` writes it. The page opens from a disk, asks the network for nothing
(its own content policy forbids it), and shows what a log says as text only.
"""

from orchestrator.dashboards.page.encoding import page_data
from orchestrator.dashboards.page.rendering import render

__all__ = ["page_data", "render"]
