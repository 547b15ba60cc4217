"""Warnings of one request: settings that were left out of it, or are sent in another form."""

from __future__ import annotations

from orchestrator.types.call import CallWarning

__all__ = ["Noting", "left_out"]


class Noting:
    """Base of what writes settings down.

    Attributes:
        warnings: what was left out or changed.
    """

    __slots__ = ("warnings",)

    def __init__(self, warnings: list[CallWarning] | None = None) -> None:
        self.warnings = [] if warnings is None else warnings

    def unsupported(self, setting: str, message: str) -> None:
        """Note a setting that was left out."""
        self.warnings.append(CallWarning("unsupported", setting, message))

    def changed(self, setting: str, message: str) -> None:
        """Note a setting that is sent in another form."""
        self.warnings.append(CallWarning("compatibility", setting, message))


def left_out(setting: str, why: str) -> CallWarning:
    """The warning about a setting that was left out."""
    return CallWarning("unsupported", setting, f"left out: {why}")
