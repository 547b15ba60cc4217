"""What usage costs: a bundled book of prices, overrides from the file, and token estimates. Never asks the network.

`bundled().find(vendor, model)` gives a `PriceRow`; `PriceRow.cost(usage, at=...)` gives a `Cost` whose total is exact
or None with the reason.
"""

from orchestrator.pricing.book import Book, bundled
from orchestrator.pricing.estimates import estimate_tokens
from orchestrator.pricing.overrides import PRICE_KEYS, config_row
from orchestrator.pricing.rows import PriceRow
from orchestrator.pricing.stated import stated_cost

__all__ = ["PRICE_KEYS", "Book", "PriceRow", "bundled", "config_row", "estimate_tokens", "stated_cost"]
