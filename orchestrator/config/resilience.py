"""The keys for the bad case: timeouts, retries, breakers, and where state is shared."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from orchestrator.config import checks
from orchestrator.config.fields import Duration, FileModel, Implied, Secret, Some, Tries, between
from orchestrator.config.tree import FromEnv, shown
from orchestrator.config.yaml import plain

__all__ = ["BreakerConfig", "BreakerOrOff", "RedisConfig", "RetryConfig", "StoreConfig", "TimeoutsConfig"]

_URL_SCHEMA = {"type": "string", "pattern": "^(rediss?|unix)://[^@]+$"}
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class TimeoutsConfig(FileModel):
    """How long to wait for each sign of life. Seconds. The deadline bounds all of them together."""

    connect: Duration = Field(default=5.0, description="For a connection, TLS included.")
    first_token: Duration = Field(default=60.0, description="Chat: for the first words of a stream.")
    stall: Duration = Field(
        default=30.0, description="Chat: for the next words of a stream; a server's keep-alives do not count."
    )


class RetryConfig(FileModel):
    """Bounds of one call's attempts. Another deployment is always tried before the same one is asked again."""

    attempts: Tries = Field(default=4, description="Attempts of one call, over all deployments.")
    per_deployment: Tries = Field(
        default_factory=lambda: Implied(2),
        validate_default=True,
        description="Attempts of one call at one deployment; at most `attempts`.",
        json_schema_extra={"default": 2},
    )
    base: Duration = Field(
        default=0.25, description="Asked again after a random time of up to this, doubled with each failure."
    )
    throttled_base: Duration = Field(default=1.0, description="The same, after a rate limit or an overload.")
    cap: Duration = Field(default=20.0, description="The most that this random time grows to.")
    max_wait: Duration = Field(
        default=30.0, description="The longest that a vendor's retry-after is waited for, when nobody else can answer."
    )

    @field_validator("per_deployment", mode="before")
    @classmethod
    def _within_attempts(cls, value: Any, info: ValidationInfo) -> Any:
        most = info.data.get("attempts")
        if most is None:
            return value
        if isinstance(value, Implied):
            return min(int(value), most)
        if checks.number(value) > most:
            raise ValueError(f"expected at most `attempts`, which is {most}, found {shown(value)}")
        return value


class BreakerConfig(FileModel):
    """When a failing deployment is left alone, and how it comes back."""

    failures: Some = Field(default=5, description="Failures in a row that open the breaker.")
    ratio: Annotated[float, between(0.01, 1)] = Field(
        default=0.5, description="Share of failures within the window that opens it."
    )
    calls: Some = Field(default=10, description="Calls within the window before their share counts.")
    window: Duration = Field(default=30.0, description="How far back failures count.")
    open: Duration = Field(default=15.0, description="How long it stays open, doubled each time it opens again.")
    longest: Duration = Field(
        default_factory=lambda: Implied(300),
        validate_default=True,
        description="The longest that it stays open; at least `open`.",
        json_schema_extra={"default": 300},
    )
    probes: Some = Field(default=2, description="Good probes in a row that close it.")
    ramp: Duration = Field(default=30.0, description="How long it then takes to get all of its calls back.")

    @field_validator("longest", mode="before")
    @classmethod
    def _at_least_open(cls, value: Any, info: ValidationInfo) -> Any:
        least = info.data.get("open")
        if least is None:
            return value
        if isinstance(value, Implied):
            return max(float(value), least)
        if checks.duration_s(value) < least:
            raise ValueError(f"expected at least `open`, which is {least:g}s, found {shown(value)}")
        return value


def _or_off(value: Any) -> Any:
    found = plain(value) if isinstance(value, FromEnv) else value
    if found is False or found == "off":
        return None
    if found is True or isinstance(found, str | int | float | list):
        raise ValueError(f"expected off, or a mapping such as {{failures: 5}}, found {shown(value)}")
    return value


BreakerOrOff = Annotated[BreakerConfig | None, BeforeValidator(_or_off)]


def _prefix(value: Any) -> str:
    found = checks.text(value)
    if not _PREFIX.fullmatch(found):
        # Braces would move the hash tag that keeps one account's keys on one node of a cluster.
        raise ValueError("expected up to 100 letters, digits and any of _ . : -")
    return found


class RedisConfig(FileModel):
    """A Redis server that processes share."""

    url: Secret | Annotated[str, WithJsonSchema(_URL_SCHEMA)] = Field(
        repr=False,
        description="Where it answers: redis://, rediss:// or unix://. One with a password only as {env: NAME} or"
        " {file: path}.",
    )
    prefix: Annotated[str, BeforeValidator(_prefix)] = Field(
        default="orchestrator", description="What the names of all its keys begin with."
    )
    expected_processes: Some = Field(
        default=1, description="Processes that share the limits, while Redis cannot be asked how many there are."
    )


class StoreConfig(FileModel):
    """Where the state of limits, breakers and budgets lives: in this process, or in Redis (then there is a `url`)."""

    kind: Literal["memory", "redis"] = "memory"
    url: Secret | str | None = Field(default=None, repr=False)
    prefix: str = "orchestrator"
    expected_processes: int = 1
