"""The keys under `log` and `otel`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from orchestrator.config import checks
from orchestrator.config.fields import FileModel, Flag, Secret, Some, Text, Url
from orchestrator.config.tree import shown
from orchestrator.telemetry.redaction import REDACTIONS

__all__ = ["ContentConfig", "LogConfig", "OtelConfig", "RotateConfig"]

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_STRFTIME = re.compile(r"%[a-zA-Z]")
_DAILY = "; for a file a day write rotate: {daily: true}"
_SIZE_SCHEMA = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(_\d+)*(\.\d+)?[kKMG]?B?$"}],
    "examples": ["100MB", "64kB"],
}

Size = Annotated[int, BeforeValidator(checks.size_bytes), WithJsonSchema(_SIZE_SCHEMA)]


def _log_path(value: Any) -> str:
    found = checks.text(value)
    directory, _, name = found.rpartition("/")
    if "{" in directory or set(_PLACEHOLDER.findall(name)) - {"{pid}", "{host}"}:
        raise ValueError(f"only {{pid}} and {{host}} are filled in, and only in the file's name{_DAILY}")
    if _STRFTIME.search(found):
        raise ValueError(f"% is not filled in{_DAILY}")
    return str(found)


LogPath = Annotated[str, BeforeValidator(_log_path)]


def _redactions(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(one in REDACTIONS for one in value):
        raise ValueError(f"expected a list of {', '.join(REDACTIONS)}, found {shown(value)}")
    return tuple(value)


class RotateConfig(FileModel):
    """When the file is put aside. Files put aside are named by day and number and sort before the one in use."""

    size: Size | None = Field(default=None, description="Before it would be larger than this.")
    daily: Flag = Field(default=False, description="With the first line of a day (UTC).")
    keep: Some | None = Field(
        default=None, description="How many files put aside are kept; the oldest are deleted. All of them by default."
    )

    @model_validator(mode="after")
    def _some_reason(self) -> RotateConfig:
        if self.size is None and not self.daily:
            raise ValueError("give size or daily: without one the file is never put aside")
        return self


class ContentConfig(FileModel):
    """How the content of routes with `log_content: true` is written down."""

    path: LogPath | None = Field(
        default=None,
        description="A file of its own, so that prompts can have other readers and a shorter life than costs; relative"
        " to this one. Without it, lines of content go where the lines of calls go.",
    )
    redact: Annotated[
        tuple[str, ...],
        BeforeValidator(_redactions),
        WithJsonSchema({"type": "array", "items": {"enum": list(REDACTIONS)}}),
    ] = Field(
        default=tuple(REDACTIONS), description="What is taken out of every text: all of the known kinds by default."
    )
    max_line: Size = Field(default=64_000, description="Longer texts are cut until the line is no longer than this.")


class LogConfig(FileModel):
    """Where the line of each call goes: `path` or `to`."""

    path: LogPath | None = Field(
        default=None,
        description="A file; relative to this one. {pid} and {host} in its name give each process, or machine, one.",
    )
    to: Literal["stdout", "stderr", "logging", "none"] | None = Field(
        default=None, description="A stream, the application's logging, or nowhere."
    )
    rotate: RotateConfig | None = Field(default=None, description="When the file is put aside.")
    required: Flag = Field(
        default=False,
        description="Refuse calls (LogUnavailable) while their lines cannot be written.",
    )
    content: ContentConfig = Field(
        default=ContentConfig(), description="Where and how what was asked and answered is written down."
    )

    @model_validator(mode="after")
    def _one_place(self) -> LogConfig:
        if (self.path is None) == (self.to is None):
            raise ValueError("give exactly one of path and to")
        if self.rotate and not self.path:
            raise ValueError("rotate has no effect without path")
        if self.required and self.to in {"logging", "none"}:
            raise ValueError(f"required has no effect with `to: {self.to}`, which cannot fail")
        return self


class OtelConfig(FileModel):
    """An OpenTelemetry collector that takes OTLP over HTTP."""

    endpoint: Url = Field(description="Its base URL, such as http://127.0.0.1:4318, without /v1/traces.")
    headers: dict[str, Text | Secret] = Field(
        default_factory=dict,
        repr=False,
        description="Sent with every export. Credentials only as {env: NAME} or {file: path}.",
    )
    service_name: Text | None = Field(
        default=None, description="service.name; by default OTEL_SERVICE_NAME, or what the library makes of it."
    )
