"""Whether files that the configuration names are there, so that a client does not find out in its first call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.config.schema import ProviderConfig, Settings
from orchestrator.config.tree import KeyPath, Problems, shown

__all__ = ["check_paths"]


def check_paths(
    settings: Settings,
    providers: Mapping[str, ProviderConfig],
    directory_of: Callable[[KeyPath], Path],
    problems: Problems,
) -> None:
    """Note files to read that are not there, and a log that would be a directory.

    Args:
        settings: the top of the file.
        providers: those that routes reach.
        directory_of: what a relative path at a key path is relative to.
        problems: where mistakes go.
    """
    wanted = [(("providers", name, "ca_file"), one.ca_file) for name, one in providers.items()]
    for path, file in (*wanted, (("prices", "file"), settings.prices.file)):
        if file is not None and not (directory_of(path) / file).is_file():
            problems.add(path, f"there is no file {shown(file)} (relative paths begin at this file)")
    logs = ((("log", "path"), settings.log.path), (("log", "content", "path"), settings.log.content.path))
    for path, file in logs:
        if file is not None and (directory_of(path) / file).is_dir():
            problems.add(path, f"{shown(file)} is a directory; name a file in it")
