"""Whether the sections of a file stand where they belong. Of one that does not, all would be mistakes below."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from orchestrator.config.schema import DeploymentConfig, ProviderConfig, RouteConfig
from orchestrator.config.tree import KeyPath, Problems, nearest, shown

__all__ = ["check_outline"]

_SECTIONS: Mapping[str, type[BaseModel]] = {
    "providers": ProviderConfig,
    "deployments": DeploymentConfig,
    "routes": RouteConfig,
}


def check_outline(top: Any, known: Collection[str], problems: Problems) -> None:
    """Note what is no configuration of ours, and sections that are misspelt or indented; raise if there is any.

    Args:
        top: what the file holds.
        known: the keys of its top.
        problems: where mistakes go.

    Raises:
        ConfigError: there is one.
    """
    if not isinstance(top, dict):
        found = "plain text" if isinstance(top, str) else shown(top)
        problems.add((), f"expected keys such as version: 1 and routes:, found {found}")
        problems.raise_any()
    if "model_list" in top and "routes" not in top:
        message = "this is a configuration of LiteLLM; `orchestrator import-litellm FILE` makes one of ours of it"
        problems.add(("model_list",), message)
        problems.raise_any()
    misplaced = [*_misspelt(top, known), *_indented(top, known)]
    for path, message in misplaced:
        problems.add(path, message)
    if misplaced:
        problems.raise_any()


def _misspelt(top: dict[str, Any], known: Collection[str]) -> Iterator[tuple[KeyPath, str]]:
    for key in top:
        near = nearest(key, [section for section in _SECTIONS if section not in top])
        if key not in known and "did you mean" in near:
            yield (key,), f"unknown key {shown(key)}{near}"


def _indented(top: dict[str, Any], known: Collection[str]) -> Iterator[tuple[KeyPath, str]]:
    for section, model in _SECTIONS.items():
        entries = top.get(section)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            strange = entry is None or (isinstance(entry, dict) and entry.keys().isdisjoint(model.model_fields))
            if name in known and strange:
                yield (section, name), f"a section, indented as an entry of `{section}`: it begins at the line's start"
