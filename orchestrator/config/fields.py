"""Types of the keys: what each accepts, and what an editor is told about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, WithJsonSchema

from orchestrator.config import checks
from orchestrator.config.secrets import SecretRef
from orchestrator.config.tree import shown

__all__ = [
    "Count",
    "Duration",
    "FileModel",
    "Flag",
    "Implied",
    "Number",
    "Secret",
    "Some",
    "Text",
    "Tries",
    "Url",
    "Whole",
    "between",
]

_SIZE_SCHEMA = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(_\d+)*(\.\d+)?[kKMG]?$"}],
    "examples": [500, "200k", "2M"],
}
_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
        {"type": "string", "pattern": r"^(\d+(\.\d+)?(d|h|m|s|ms))+$"},
    ],
    "examples": ["30s", "1m30s", "500ms", 20],
}
_SECRET_SCHEMA = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"env": {"type": "string", "description": "environment variable"}},
            "required": ["env"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"file": {"type": "string", "description": "path, relative to this file"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
}


def between(low: float, high: float) -> BeforeValidator:
    """A number within these bounds, both included."""

    def check(value: Any) -> float:
        found = checks.number(value)
        if not low <= found <= high:
            raise ValueError(f"expected a number from {low:g} to {high:g}, found {shown(value)}")
        return found

    return BeforeValidator(check)


def _whole(value: Any) -> int:
    found = checks.number(value)
    if found != int(found) or abs(found) >= 2**53:
        raise ValueError(f"expected a whole number, found {shown(value)}")
    return int(found)


def _up_to(most: int) -> tuple[BeforeValidator, WithJsonSchema]:
    def check(value: Any) -> int:
        found = _whole(value)
        if not 1 <= found <= most:
            raise ValueError(f"expected a whole number from 1 to {most}, found {shown(value)}")
        return found

    return BeforeValidator(check), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": most})


class Implied(int):
    """A value that nobody wrote beside its neighbours: where they leave it no room, it gives way without an error."""


class FileModel(BaseModel):
    """What stands under a key of the file: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What differs from the default: a repr that says what the file says."""
        known = type(self).model_fields
        for name, value in super().__repr_args__():
            if name not in known or value != known[name].get_default(call_default_factory=True):
                yield name, value


Text = Annotated[str, BeforeValidator(checks.text)]
Flag = Annotated[bool, BeforeValidator(checks.flag)]
Number = Annotated[float, BeforeValidator(checks.number)]
Count = Annotated[int, BeforeValidator(checks.count), WithJsonSchema(_SIZE_SCHEMA)]
Duration = Annotated[float, BeforeValidator(checks.duration_s), WithJsonSchema(_DURATION_SCHEMA)]
Url = Annotated[str, BeforeValidator(checks.http_url)]
Secret = Annotated[InstanceOf[SecretRef], WithJsonSchema(_SECRET_SCHEMA)]
Whole = Annotated[int, BeforeValidator(_whole)]
Tries = Annotated[int, *_up_to(10)]
Some = Annotated[int, *_up_to(10_000)]
