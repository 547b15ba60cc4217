"""What it costs to start, in a process that has loaded nothing else; prints one JSON line.

python -m speed.starting import MODULE
python -m speed.starting first BASE_URL PEER
python -m speed.starting file PATH
"""

import sys
import time


def _row(before: float) -> None:
    cpu_ms = (time.process_time() - before) * 1e3
    import json
    import os

    from speed.memory import peak_mib

    print(json.dumps({"cpu_ms": cpu_ms, "rss_mib": peak_mib()}), flush=True)
    os._exit(0)


def _first_answer(base: str, peer: str) -> None:
    """Import, build, ask once. `speed.peers` loads nothing by itself that an application would not."""
    import asyncio

    from speed.peers import PEERS, right

    async def ask() -> None:
        built = PEERS[peer](base, 1)
        if not right("chat", await built.chat()):
            raise AssertionError("not what the server sent")
        if built.close is not None:
            await built.close()

    asyncio.run(ask())


def _from_file(path: str) -> None:
    """What an application does: import, read its file, ask once, close."""
    from orchestrator import Orchestrator

    with Orchestrator.from_file(path) as llm:
        if not llm.chat("answer", "Which plan includes SSO?").cost.total:
            raise AssertionError("an answer without a price")


def main() -> None:
    """Do it and print."""
    what, *arguments = sys.argv[1:]
    before = time.process_time()
    if what == "import":
        __import__(arguments[0])
    elif what == "file":
        _from_file(arguments[0])
    else:
        _first_answer(*arguments)
    _row(before)


if __name__ == "__main__":
    main()
