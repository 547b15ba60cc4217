"""Kinds by name."""

from __future__ import annotations

import pytest

from orchestrator.errors import ConfigError
from orchestrator.registry import find, kinds


def test_hyphens():
    """A bundled kind may be written with hyphens, and is the same kind."""
    for kind in kinds():
        assert find(kind.replace("_", "-")) is find(kind)
        assert find(kind).profile.kind == kind


def test_unknown_kinds_name_the_nearest():
    """A kind that nobody offers is an error that names the nearest one."""
    with pytest.raises(ConfigError, match="did you mean 'openai_responses'"):
        find("openai_response")
