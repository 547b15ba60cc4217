"""The configuration as the rest of the library sees it: names resolved, defaults filled in, every value checked.

The models hold only what routes reach. `editor.py` makes the JSON Schema of the file from them.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from orchestrator.config import checks
from orchestrator.config.budgets import BudgetConfig
from orchestrator.config.features import ProfileConfig, Require, RequireConfig
from orchestrator.config.fields import Count, Duration, FileModel, Flag, Secret, Text, Url, Whole, between
from orchestrator.config.log import LogConfig, OtelConfig
from orchestrator.config.picking import MAX_CASES, Names, Pick, Sticky, WhenConfig
from orchestrator.config.resilience import BreakerConfig, BreakerOrOff, RetryConfig, StoreConfig, TimeoutsConfig
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
    "PricesConfig",
    "ProviderConfig",
    "RouteConfig",
    "Settings",
    "Unsupported",
]

Unsupported = Literal["warn", "error"]
"""What to do with a setting that the picked model cannot take: leave it out and say so, or fail."""


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
        raise ValueError(f"expected USD per million tokens, a number such as 0.15, found {shown(value)}")
    return found


def _discount(value: Any) -> Decimal:
    """`15%` as the factor 0.85. The sign is required: nobody can tell whether a bare 0.85 is 15 % or 85 % off."""
    digits = value.strip().removesuffix("%").strip() if isinstance(value, str) and value.strip().endswith("%") else ""
    try:
        percent = Decimal(digits)
    except InvalidOperation:
        percent = Decimal(-1)
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise ValueError(f"expected how much is taken off, from 0% to 100% (such as 15%), found {shown(value)}")
    return (100 - percent) / 100


Discount = Annotated[
    Decimal,
    BeforeValidator(_discount),
    WithJsonSchema({"type": "string", "pattern": r"^\s*(100|\d{1,2}(\.\d+)?)\s*%\s*$", "examples": ["15%"]}),
]
"""How much is taken off list prices; the value is the factor that is left."""


class PricesConfig(FileModel):
    """Where prices come from."""

    file: Text | None = Field(
        default=None,
        description="A price book to use instead of the bundled one, such as `orchestrator prices refresh` makes;"
        " relative to this file.",
    )
    vendor_cost: Flag = Field(
        default=True,
        description="Whether the cost that a vendor itself states (OpenRouter, Perplexity, xAI) is taken. false:"
        " always the book's.",
    )


class LimitsConfig(FileModel):
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
    learn: Flag = Field(default=False, description="Also learn limits from what the vendor answers.")

    @model_validator(mode="after")
    def _one_way_to_count(self) -> LimitsConfig:
        if self.tpm is not None and (self.input_tpm or self.output_tpm) is not None:
            raise ValueError("give tpm, or input_tpm and output_tpm, not both")
        return self


class DefaultsConfig(FileModel):
    """Options of calls that do not give their own. The call beats the route, the route beats the deployment."""

    temperature: Annotated[float, between(0, 2)] | None = Field(
        default=None, description="Chat: 0 for the likeliest words, higher for more variety."
    )
    top_p: Annotated[float, between(0, 1)] | None = Field(
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
    seed: Whole | None = Field(
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


class ProviderConfig(FileModel):
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
        default=None,
        description="How long the vendor keeps what is sent, in your words; for `orchestrator routes` and `diff`.",
    )
    trains: Flag | None = Field(
        default=None, description="Whether the vendor trains on what is sent; for `orchestrator routes` and `diff`."
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
    discount: Discount | None = Field(
        default=None,
        description="How much your contract takes off the book's prices: 15% leaves 85%. Every price of every"
        " deployment here is lowered, but those written as `price` and sums that the vendor states.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="The keys that this kind has beyond the common ones."
    )


class DeploymentConfig(FileModel):
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
    discount: Discount | None = Field(
        default=None,
        description="How much is taken off the book's prices: 15% leaves 85%. Instead of the provider's, not on top.",
    )
    profile: ProfileConfig | None = Field(
        default=None, description="Facts about the model, over those of the bundled book of models."
    )


class RouteConfig(FileModel):
    """A task name that the application uses."""

    task: Task = Field(description="chat, embed or rerank.")
    pick: Pick = Field(
        description="A deployment, a list of them in order, or one of {weighted: {a: 9, b: 1}}, {fastest: [a, b]},"
        " {least_busy: [a, b]}, {cheapest: [a, b]}. Names may be `vendor/model`."
    )
    then: Names = Field(default=(), description="Deployments to try, in order, when the picks are spent.")
    when: tuple[WhenConfig, ...] = Field(
        default=(),
        max_length=MAX_CASES,
        description="Cases with a pick of their own, by tenant and tags. The first that matches is taken.",
    )
    sticky: Sticky | None = Field(
        default=None,
        description="Calls of the same tenant, user or tags.NAME go to the same deployment, so that its prompt cache"
        " stays warm.",
    )
    require: Require = Field(
        default=RequireConfig(),
        description="What every deployment of this route must have: a list of tools, parallel_tools, forced_tools,"
        " json_schema, vision, audio, video, pdf, reasoning, {context_tokens: 100k}, {max_output_tokens: 8k},"
        " {region: eu}. Checked when the file is loaded.",
    )
    deadline: Duration | None = Field(
        default=None, description="Time for a whole call: queueing, limits, waits, attempts and the stream."
    )
    timeouts: TimeoutsConfig = Field(
        default=TimeoutsConfig(), description="How long to wait for each sign of life; over those of the top."
    )
    retry: RetryConfig = Field(
        default=RetryConfig(), description="Bounds of one call's attempts; over those of the top."
    )
    defaults: DefaultsConfig = Field(default=DefaultsConfig(), description="Options of calls of this route.")
    unsupported: Unsupported = Field(
        default="warn",
        description="A setting that the model cannot take: warn (leave it out and say so) or error.",
    )
    log_content: Flag = Field(
        default=False,
        description="Also write what was asked and answered, as lines of their own, redacted as `log.content` says."
        " Off unless this says so.",
    )
    repair: Flag = Field(
        default=False,
        description="Chat with output=: an answer that does not fit the schema is sent back once, with the places that"
        " are wrong, to be corrected. It is paid for, and logged as an attempt of its own.",
    )


class Settings(FileModel):
    """What stands at the top of the file beside the three sections."""

    version: Literal[1] = Field(description="The version of this format.")
    log: LogConfig = Field(
        default=LogConfig(to="logging"),
        description="Where the line of each call goes; the application's logging by default.",
    )
    otel: OtelConfig | None = Field(default=None, description="Send each call to an OpenTelemetry collector as well.")
    deadline: Duration | None = Field(default=None, description="Time for a whole call, for routes that do not say.")
    timeouts: TimeoutsConfig = Field(
        default=TimeoutsConfig(), description="How long to wait for each sign of life, for routes that do not say."
    )
    retry: RetryConfig = Field(
        default=RetryConfig(), description="Bounds of one call's attempts, for routes that do not say."
    )
    breaker: BreakerOrOff = Field(
        default=BreakerConfig(), description="When a failing deployment is left alone, and how it comes back; or off."
    )
    store: StoreConfig = Field(
        default=StoreConfig(),
        description="Where the state of limits, breakers and budgets lives: memory or {redis: ...}.",
    )
    prices: PricesConfig = Field(
        default=PricesConfig(), description="Another price book, and whether costs stated by vendors are taken."
    )
    budgets: tuple[BudgetConfig, ...] = Field(
        default=(), description="Money that calls may spend per call, hour, day or month: a list, or one alone."
    )
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
        warnings: definitions that no route reaches, and models that are or will soon be retired, one line each.

    Example:
        >>> llm.config.routes["answer"].pick.names
        ('mini',)
        >>> llm.config.deployments["mini"].model
        'gpt-4o-mini'
    """

    providers: dict[str, ProviderConfig] = Field(default_factory=dict, description="Accounts and servers, by name.")
    deployments: dict[str, DeploymentConfig] = Field(default_factory=dict, description="Models at providers, by name.")
    routes: dict[str, RouteConfig] = Field(description="The names that applications call, and who answers.")
    source: Path | None = None
    files: tuple[Path, ...] = ()
    content_hash: str = ""
    config_hash: str = ""
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Config {self.source or 'a mapping'} routes={sorted(self.routes)} config={self.config_hash}>"

    def with_origin(self, **origin: Any) -> Config:
        """The same configuration with some of `source`, `files`, `content_hash`, `config_hash`, `warnings` set."""
        return self.model_copy(update=origin)
