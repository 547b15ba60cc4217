"""Checks raw data against a model, and turns what pydantic found into words with a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.config.features import ProfileConfig
from orchestrator.config.habits import advice, mapping_expected
from orchestrator.config.log import ContentConfig, LogConfig, OtelConfig, RotateConfig
from orchestrator.config.resilience import BreakerConfig, RetryConfig, TimeoutsConfig
from orchestrator.config.schema import DefaultsConfig, LimitsConfig
from orchestrator.config.tree import FromEnv, KeyPath, Problems, nearest, shown
from orchestrator.config.words import such_as

__all__ = ["NOT_YET", "report_unknown", "validated"]

NOT_YET: frozenset[str] = frozenset()
"""Keys of the design that this release does not have. Refused, so that no setting is silently without effect."""

_NESTED: Mapping[str | int, type[BaseModel]] = {
    "breaker": BreakerConfig,
    "content": ContentConfig,
    "defaults": DefaultsConfig,
    "limits": LimitsConfig,
    "log": LogConfig,
    "otel": OtelConfig,
    "profile": ProfileConfig,
    "retry": RetryConfig,
    "rotate": RotateConfig,
    "timeouts": TimeoutsConfig,
}

_MISLEADING = frozenset({"eur", "organization", "rps", "stream_options", "timeout", "top_k"})
"""Keys whose nearest known name is another thing."""

ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(
    model: type[ModelT], data: Any, path: KeyPath, problems: Problems, *, known: Iterable[str] = ()
) -> ModelT | None:
    """The model, or None after its mistakes were noted. `known` are the keys to suggest beside the model's own."""
    if not isinstance(data, dict):
        problems.add(path, mapping_expected(path, data))
        return None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            loc = found["loc"]
            own = (*(field.alias or key for key, field in model.model_fields.items() if key != "settings"), *known)
            inner = next((_NESTED[name] for name in reversed(loc[:-1]) if name in _NESTED), None)
            keys = tuple(inner.model_fields) if inner else own
            if found["type"] == "extra_forbidden":
                report_unknown((*path, *loc), keys, problems)
            else:
                problems.add((*path, *loc), _words(found, (*path, *loc)))
        return None


def report_unknown(path: KeyPath, known: Iterable[str], problems: Problems) -> None:
    """Note a key that is not known where it stands."""
    key = str(path[-1])
    if key in NOT_YET:
        problems.add(path, f"{key!r} is not supported yet")
    else:
        near = nearest(key, known, what="known here")
        told = "" if "did you mean" in near and key not in _MISLEADING else advice(path)
        problems.add(path, f"unknown key {shown(key)}{told or near}")


def _words(found: Any, path: KeyPath) -> str:
    kind, value = found["type"], found["input"]
    if kind == "value_error":
        words = str(found["ctx"]["error"])
        return words if "variable" in words else words + _origin(value)
    if kind == "missing":
        example = such_as(str(path[-1])).removeprefix(" such as ")
        return f"this key is missing{f'; write {example}' if example else ''}"
    if kind == "literal_error":
        expected = found["ctx"]["expected"].replace("'", "")
        close = nearest(value, expected.replace(" or ", ", ").split(", ")) if isinstance(value, str) else ""
        hint = "; take the quotes away" if value == expected else close if "did you mean" in close else ""
        return f"expected {expected}, found {shown(value)}{hint}"
    if kind in {"model_type", "dict_type"}:
        return mapping_expected(path, value)
    return f"{found['msg'][:1].lower()}{found['msg'][1:]}, found {shown(value)}"


def _origin(value: Any) -> str:
    """Where a value comes from that is not in the file. Most messages say so where they say what was found."""
    return f" (it comes from variable {value.variable})" if isinstance(value, FromEnv) else ""
