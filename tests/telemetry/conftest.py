"""The doubles of a neighbouring folder, for the tests with a whole client."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "path"))
