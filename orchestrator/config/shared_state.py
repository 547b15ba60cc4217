"""The forms of `store` and `otel`: sections with credentials at the top."""

from __future__ import annotations

from typing import Any

from orchestrator.config import checks
from orchestrator.config.log import OtelConfig
from orchestrator.config.references import MISSING, References
from orchestrator.config.resilience import RedisConfig, StoreConfig
from orchestrator.config.secrets import SecretRef
from orchestrator.config.tree import FromEnv, KeyPath, Problems, is_reference, nearest, shown
from orchestrator.config.validating import report_unknown, validated

__all__ = ["read_otel", "read_store"]

_FORMS = "memory or {redis: {url: {env: REDIS_URL}}}"


def read_store(value: Any, path: KeyPath, references: References, problems: Problems) -> StoreConfig | None:
    """`memory` or `{redis: …}`; None after mistakes were noted. What is found is not repeated where a URL may stand."""
    if not isinstance(value, dict) or is_reference(value):
        return _word(references.resolve(value, path, reached=True), path, problems)
    unknown = [key for key in value if key != "redis"]
    for key in unknown:
        report_unknown((*path, key), ("redis",), problems)
    if "redis" not in value:
        if not unknown:
            problems.add(path, f"expected {_FORMS}, found an empty mapping")
        return None
    return _redis(value["redis"], (*path, "redis"), references, problems)


def read_otel(value: Any, path: KeyPath, references: References, problems: Problems) -> OtelConfig | None:
    """`{endpoint: …, headers: …}`; None after mistakes were noted."""
    if not isinstance(value, dict) or is_reference(value):
        problems.add(path, f"expected a mapping with an endpoint, found {shown(value)}")
        return None
    data = {
        key: found
        for key, item in value.items()
        if key != "headers" and (found := references.resolve(item, (*path, key), reached=True)) is not MISSING
    }
    if "headers" in value:
        data["headers"] = references.headers(value["headers"], (*path, "headers"), reached=True)
    return validated(OtelConfig, data, path, problems)


def _word(value: Any, path: KeyPath, problems: Problems) -> StoreConfig | None:
    if value == "memory":
        return StoreConfig()
    if value is not MISSING:
        close = nearest(value, ("memory",)) if isinstance(value, str) else ""
        close = close if "did you mean" in close else ""
        problems.add(path, f"expected {_FORMS}, found {_described(value)}{close}")
    return None


def _redis(value: Any, path: KeyPath, references: References, problems: Problems) -> StoreConfig | None:
    if not isinstance(value, dict) or is_reference(value):
        problems.add(path, f"expected a mapping with a url, found {_described(value)}")
        return None
    data = {
        key: found
        for key, item in value.items()
        if key != "url" and (found := references.resolve(item, (*path, key), reached=True)) is not MISSING
    }
    if "url" in value and (url := _url(value["url"], (*path, "url"), references, problems)) is not None:
        data["url"] = url
    made = validated(RedisConfig, data, path, problems)
    return StoreConfig(kind="redis", **dict(made)) if made else None


def _url(value: Any, path: KeyPath, references: References, problems: Problems) -> SecretRef | str | None:
    if is_reference(value) and "default" not in value:
        return references.secret(value, path, reached=True, check=lambda url: checks.redis_url(url, credentials=True))
    found = references.resolve(value, path, reached=True)
    if found is MISSING:
        return None
    try:
        return checks.redis_url(found, credentials=isinstance(found, FromEnv))
    except ValueError as error:
        problems.add(path, str(error))
        return None


def _described(value: Any) -> str:
    return "a URL" if isinstance(value, str) and ("://" in value or "@" in value) else shown(value)
