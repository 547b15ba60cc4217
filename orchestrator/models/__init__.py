"""What models can do and take: a bundled book of facts, layered vendor, family, model. Never asks the network.

`bundled().find(vendor, model)` gives a `ModelProfile`; what no layer knows stays None or empty.
"""

from orchestrator.models.book import ModelBook, bundled
from orchestrator.models.facts import MEDIA_TYPES, media_types, overlaid

__all__ = ["MEDIA_TYPES", "ModelBook", "bundled", "media_types", "overlaid"]
