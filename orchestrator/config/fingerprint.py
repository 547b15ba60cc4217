"""A short name for what a configuration means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from orchestrator.config.resilience import StoreConfig
from orchestrator.config.schema import Config
from orchestrator.config.secrets import SecretRef

__all__ = ["canonical", "config_hash"]

_ORIGIN = frozenset({"source", "files", "content_hash", "config_hash", "warnings"})


def canonical(config: Config) -> dict[str, Any]:
    """The effective configuration as JSON values: secrets as their references, exact numbers as text.

    The URL of a store is in it only as a reference: an address of servers may hold a password.
    """
    return {key: _plain(value) for key, value in config if key not in _ORIGIN}


def config_hash(config: Config) -> str:
    """16 hex digits that are equal for two files that mean the same, and (but for chance) for no others."""
    text = json.dumps(canonical(config), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        pairs = {key: _plain(item) for key, item in value if item is not None}
        if "proxy" in pairs:
            # A proxy's password belongs in no hash: the hash is logged, and short passwords can be tried out.
            pairs["proxy"] = pairs["proxy"].rpartition("@")[2]
        if isinstance(value, StoreConfig) and isinstance(value.url, str):
            del pairs["url"]
        return pairs
    if isinstance(value, SecretRef):
        return {value.kind: value.name}
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
