"""The doubles of neighbouring folders, for the scenarios."""

from __future__ import annotations

import sys
from pathlib import Path

for neighbour in ("path", "transport"):
    sys.path.append(str(Path(__file__).parent.parent / neighbour))
