"""The `orchestrator` command. Importing this costs nothing: typer and rich load when a command runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends by `SystemExit`."""
    from orchestrator.cli.app import app  # noqa: PLC0415
    from orchestrator.cli.spelling import spell_out  # noqa: PLC0415

    spell_out()
    app(prog_name="orchestrator")
