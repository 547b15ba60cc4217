"""The configuration as the rest of the library sees it: names resolved, defaults filled in, every value checked.

The models hold only what routes reach. `editor.py` makes the JSON Schema of the file from them.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, WithJsonSchema, model_validator

from orchestrator.config import checks
from orchestrator.config.secrets import SecretRef
from orchestrator.config.tree import shown
from orchestrator.types.call import Task
from orchestrator.types.chat import ReasoningEffort
from orchestrator.types.retrieval import InputType

__all__ = [
    "Config",
    "DefaultsConfig",
    "DeploymentConfig",
    "LimitsConfig",
    "LogConfig",
    "PickConfig",
    "ProviderConfig",
    "RouteConfig",
    "Unsupported",
]

Unsupported = Literal["warn", "error"]
"""What to do with a setting that the picked model cannot take: leave it out and say so, or fail."""

_SIZE_SCHEMA = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(_\d+)*(\.\d+)?[kKMG]?$"}],
    "examples": [500, "200k", "2M"],
}
_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 86400},
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
_NAMES_SCHEMA = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}]
}
_PICK_SCHEMA = {
    "anyOf": [
        *_NAMES_SCHEMA["anyOf"],
        {
            "type": "object",
            "properties": {
                "weighted": {
                    "type": "object",
                    "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
                    "minProperties": 2,
                }
            },
            "required": ["weighted"],
            "additionalProperties": False,
        },
    ]
}

Text = Annotated[str, BeforeValidator(checks.text)]
Flag = Annotated[bool, BeforeValidator(checks.flag)]
Number = Annotated[float, BeforeValidator(checks.number)]
Count = Annotated[int, BeforeValidator(checks.count), WithJsonSchema(_SIZE_SCHEMA)]
Duration = Annotated[float, BeforeValidator(checks.duration_s), WithJsonSchema(_DURATION_SCHEMA)]
Url = Annotated[str, BeforeValidator(checks.http_url)]
Secret = Annotated[InstanceOf[SecretRef], WithJsonSchema(_SECRET_SCHEMA)]


def _between(low: float, high: float) -> BeforeValidator:
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


def _stop(value: Any) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items or not all(isinstance(i, str) and i for i in items):
        raise ValueError("expected text or a list of texts, none empty")
    return tuple(str(item) for item in items)


def _price(value: Any) -> Decimal:
    # str of a float has the shortest digits that mean it: those of the file, as long as they are 15 or fewer.
    exact = None if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal) else str(value)
    try:
        found = Decimal(exact) if exact is not None else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or found < 0:
        raise ValueError(f"expected a price of 0 or more, found {shown(value)}")
    return found


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitsConfig(_Model):
    """Limits that calls are held under. On a provider they hold for the account, over all its deployments."""

    rpm: Count | None = Field(default=None, description="Requests per minute.")
    tpm: Count | None = Field(default=None, description="Tokens per minute, input and output together.")
    input_tpm: Count | None = Field(
        default=None, description="Input tokens per minute, where the vendor counts them apart."
    )
    output_tpm: Count | None = Field(
        default=None, description="Output tokens per minute, where the vendor counts them apart."
    )
    rpd: Count | None = Field(default=None, description="Requests per day.")
    tpd: Count | None = Field(default=None, description="Tokens per day, input and output together.")
    concurrency: Count | None = Field(default=None, description="Requests in flight at the same time.")

    @model_validator(mode="after")
    def _one_way_to_count(self) -> LimitsConfig:
        if self.tpm is not None and (self.input_tpm or self.output_tpm) is not None:
            raise ValueError("give tpm, or input_tpm and output_tpm, not both")
        return self


class DefaultsConfig(_Model):
    """Options of calls that do not give their own. The call beats the route, the route beats the deployment."""

    temperature: Annotated[float, _between(0, 2)] | None = Field(
        default=None, description="Chat: 0 for the likeliest words, higher for more variety."
    )
    top_p: Annotated[float, _between(0, 1)] | None = Field(
        default=None, description="Chat: sample from the likeliest words that together have this probability."
    )
    max_output_tokens: Count | None = Field(default=None, description="Chat: the answer is cut after so many tokens.")
    stop: (
        Annotated[
            tuple[str, ...],
            BeforeValidator(_stop),
            WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
        ]
        | None
    ) = Field(default=None, description="Chat: the answer ends before any of these texts.")
    seed: Annotated[int, BeforeValidator(_whole)] | None = Field(
        default=None, description="Chat: asks for the same answer to the same request, as far as the vendor can."
    )
    reasoning_effort: ReasoningEffort | None = Field(
        default=None, description="Chat: how much a reasoning model thinks."
    )
    parallel_tool_calls: Flag | None = Field(
        default=None, description="Chat: whether the model may ask for several tools at once."
    )
    dimensions: Count | None = Field(
        default=None, description="Embed: numbers per vector, for models that can shorten theirs."
    )
    input_type: InputType | None = Field(default=None, description="Embed: what the texts are for.")
    top_n: Count | None = Field(default=None, description="Rerank: how many documents come back.")
    provider_options: dict[str, dict[str, Any]] | None = Field(
        default=None, description="Any task: keyed by provider kind; put into the request as they are."
    )


class ProviderConfig(_Model):
    """An account at a vendor, or a server of your own. A kind may accept further keys (see `settings`)."""

    kind: Text = Field(
        description="What speaks to it: openai, anthropic, cohere, litellm, or one of the OpenAI-compatible vendors."
    )
    base_url: Url | None = Field(
        default=None, description="Where it answers, for servers that are not at the vendor's own address."
    )
    api_key: Secret | None = Field(
        default=None, description="The credential: {env: NAME} or {file: path}. A literal one is refused."
    )
    region: Text | None = Field(default=None, description="Where requests are processed; logged with each call.")
    retention: Text | None = Field(
        default=None, description="How long the vendor keeps what is sent, in your words; logged with each call."
    )
    trains: Flag | None = Field(
        default=None, description="Whether the vendor trains on what is sent; logged with each call."
    )
    limits: LimitsConfig | None = Field(default=None, description="Limits of the account.")
    headers: dict[str, str | Secret] = Field(
        default_factory=dict, description="Sent with every request. Credentials only as {env: NAME} or {file: path}."
    )
    proxy: Annotated[str, BeforeValidator(lambda value: checks.http_url(value, credentials=True))] | None = Field(
        default=None, repr=False, description="An HTTP proxy; the environment's own proxy settings are not used."
    )
    ca_file: Text | None = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's; relative to this file."
    )
    priced_as: Text | None = Field(default=None, description="The vendor whose prices hold at this base_url.")
    settings: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="The keys that this kind has beyond the common ones."
    )


class DeploymentConfig(_Model):
    """One model at one provider: the unit of health, limits and price."""

    provider: Text = Field(description="A name under `providers`.")
    model: Text = Field(description="The vendor's name of the model.")
    dimensions: Count | None = Field(
        default=None, description="Embed: numbers per vector, for models that can shorten theirs."
    )
    limits: LimitsConfig | None = Field(default=None, description="Limits of this deployment.")
    defaults: DefaultsConfig = Field(
        default=DefaultsConfig(), description="Options of calls that reach this deployment."
    )
    price: dict[str, Annotated[Decimal, BeforeValidator(_price)]] | None = Field(
        default=None, description="USD per million tokens (input, output, cache_read, ...); 0 is free."
    )
    priced_as: Text | None = Field(default=None, description="Take the price of this model: vendor, or vendor/model.")


class PickConfig(_Model):
    """How the first deployment is chosen. The other names follow when it fails.

    For `weighted`, `weights` are those of `names`, heaviest first. For `ordered` there are none.
    """

    rule: Literal["ordered", "weighted"] = "ordered"
    names: tuple[str, ...]
    weights: tuple[float, ...] = ()


class RouteConfig(_Model):
    """A task name that the application uses."""

    task: Task = Field(description="chat, embed or rerank.")
    pick: Annotated[PickConfig, WithJsonSchema(_PICK_SCHEMA)] = Field(
        description="A deployment, a list of them in order, or {weighted: {a: 9, b: 1}}. Names may be `vendor/model`."
    )
    then: Annotated[tuple[str, ...], WithJsonSchema(_NAMES_SCHEMA)] = Field(
        default=(), description="Deployments to try, in order, when the picks are spent."
    )
    deadline: Duration | None = Field(
        default=None, description="Time for a whole call: queueing, limits, waits, attempts and the stream."
    )
    defaults: DefaultsConfig = Field(default=DefaultsConfig(), description="Options of calls of this route.")
    unsupported: Unsupported = Field(
        default="warn",
        description="A setting that the model cannot take: warn (leave it out and say so) or error.",
    )


class LogConfig(_Model):
    """Where the line of each call goes: `path` or `to`."""

    path: Text | None = Field(default=None, description="A file; relative to this one.")
    to: Literal["stdout", "stderr", "logging", "none"] | None = Field(
        default=None, description="A stream, the application's logging, or nowhere."
    )

    @model_validator(mode="after")
    def _one_place(self) -> LogConfig:
        if (self.path is None) == (self.to is None):
            raise ValueError("give exactly one of path and to")
        return self


class Settings(_Model):
    """What stands at the top of the file beside the three sections."""

    version: Literal[1] = Field(description="The version of this format.")
    log: LogConfig = Field(
        default=LogConfig(to="logging"),
        description="Where the line of each call goes; the application's logging by default.",
    )
    deadline: Duration | None = Field(default=None, description="Time for a whole call, for routes that do not say.")
    unsupported: Unsupported = Field(
        default="warn",
        description="For routes that do not say: warn (leave out what a model cannot take, and say so) or error.",
    )


class Config(Settings):
    """An effective configuration: only what routes reach, with defaults applied. Made by `load_file`, `load_mapping`.

    Attributes:
        source: the file, None for a mapping.
        files: all files that were read, absolute.
        content_hash: SHA-256 of the files' bytes, 16 hex digits; empty for a mapping.
        config_hash: SHA-256 of the effective configuration in canonical form, 16 hex digits. Secrets count as their
            references, the order of keys does not count, paths are as written.
        warnings: definitions that no route reaches, one line of text each.
    """

    providers: dict[str, ProviderConfig] = Field(default_factory=dict, description="Accounts and servers, by name.")
    deployments: dict[str, DeploymentConfig] = Field(default_factory=dict, description="Models at providers, by name.")
    routes: dict[str, RouteConfig] = Field(description="The names that applications call, and who answers.")
    source: Path | None = None
    files: tuple[Path, ...] = ()
    content_hash: str = ""
    config_hash: str = ""
    warnings: tuple[str, ...] = ()

    def with_origin(self, **origin: Any) -> Config:
        """The same configuration with some of `source`, `files`, `content_hash`, `config_hash`, `warnings` set."""
        return self.model_copy(update=origin)
