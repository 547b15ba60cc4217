"""Histories are made of what the conformance suite's sample vendors answer."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "providers" / "conformance"))
