"""Runs app.py with a simulated vendor, and edits its file from another thread while it runs."""

import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from app import CONFIG, main

from orchestrator.testing import Simulator, Vendor


def edit(file: Path) -> None:
    """Write beside it, then rename: a reader sees the old file or the new one, never half of one."""
    time.sleep(1.0)
    beside = file.with_suffix(".new")
    beside.write_text(file.read_text().replace("pick: mini", "pick: nano"))
    beside.replace(file)


if __name__ == "__main__":
    with TemporaryDirectory() as folder, Simulator([Vendor(name="openai")]) as sim:
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        file = Path(folder) / "orchestrator.yaml"
        file.write_text(CONFIG.read_text())
        threading.Thread(target=edit, args=(file,)).start()
        main(file, questions=25, pause_s=0.25)
