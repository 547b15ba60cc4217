"""The core stays small: at most 32 distributions and 60 MB, pip and setuptools aside.

Run by the interpreter whose environment is measured.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions

MOST_DISTRIBUTIONS = 32
MOST_MEGABYTES = 60
NOT_OURS = {"pip", "setuptools", "wheel"}


def main() -> int:
    """Count, print, and give the exit code."""
    names, size = [], 0
    for distribution in distributions():
        if distribution.metadata["Name"] not in NOT_OURS:
            names.append(distribution.metadata["Name"])
            files = [distribution.locate_file(file) for file in distribution.files or ()]
            size += sum(file.stat().st_size for file in files if file.is_file())
    megabytes = size / 1e6
    print(f"{len(names)} distributions, {megabytes:.1f} MB: {', '.join(sorted(names))}")
    return 0 if len(names) <= MOST_DISTRIBUTIONS and megabytes <= MOST_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
