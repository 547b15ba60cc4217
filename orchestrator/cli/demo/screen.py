"""Where the demo speaks: lines with the seconds, and on a terminal a progress bar below them."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

__all__ = ["Screen"]


class Screen:
    """Speaks from any thread. With `plain`, or where the output is no terminal, nothing moves.

    Only the terminal's own colours are used, so that its light or dark theme holds; NO_COLOR is rich's to honour.
    """

    def __init__(self, *, plain: bool, total: int) -> None:
        self.console = Console(highlight=False)
        self._plain = plain or not self.console.is_terminal or self.console.is_dumb_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(
                bar_width=None, style="dim", complete_style="magenta", finished_style="magenta", pulse_style="dim"
            ),
            MofNCompleteColumn(),
            TextColumn("{task.fields[in_flight]} in flight"),
            console=self.console,
            transient=True,
            disable=self._plain,
            expand=True,
        )
        self._began = time.monotonic()
        self._task = self._progress.add_task("questions", total=total, in_flight=0)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def count(self, ended: int, in_flight: int) -> None:
        """Move the bar."""
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._task, completed=ended, in_flight=in_flight, total=max(total, ended))

    def begin(self, act: str, text: str) -> None:
        """One line: an act, and what is done to the vendors or to the file."""
        self._line(Text(act, "bold magenta"), Text(text, "bold"))

    def tell(self, text: str) -> None:
        """One line: what the application's client noticed."""
        self._line(Text(), Text(text))

    def _line(self, act: Text, text: Text) -> None:
        clock = f"{time.monotonic() - self._began:4.1f} s"
        if self._plain:
            self.console.print(f"{clock}  {act.plain:10}  {text.plain}", markup=False, soft_wrap=True)
            return
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(style="dim", no_wrap=True)
        line.add_column(width=10, no_wrap=True)
        line.add_row(clock, act, text)
        self.console.print(line)
