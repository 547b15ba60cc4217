"""What is known of a deployment's model, and what a route may require of it: `profile` and `require`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from orchestrator.config import checks
from orchestrator.config.fields import Count, FileModel, Flag, Text
from orchestrator.config.tree import nearest, shown
from orchestrator.models import MEDIA_TYPES, bundled, overlaid
from orchestrator.spec.models import ModelProfile, ReasoningControl
from orchestrator.spec.provider import Profile

__all__ = ["FEATURES", "Feature", "ProfileConfig", "Require", "RequireConfig", "model_profile"]

Feature = Literal[
    "audio", "forced_tools", "json_schema", "parallel_tools", "pdf", "reasoning", "tools", "video", "vision"
]
FEATURES: tuple[str, ...] = get_args(Feature)

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SETTINGS = (
    "parallel_tool_calls",
    "reasoning_effort",
    "seed",
    "stop",
    "temperature",
    "top_p",
)


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        hint = nearest(value, known) if isinstance(value, str) else ""
        raise ValueError(
            f"expected one of {', '.join(known)}; found {shown(value)}{hint if 'did you mean' in hint else ''}"
        )
    return str(value)


def _list_of(known: tuple[str, ...]) -> tuple[BeforeValidator, WithJsonSchema]:
    def check(value: Any) -> tuple[str, ...]:
        items = (value,) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError(f"expected a list of {', '.join(known)}, found {shown(value)}")
        return tuple(dict.fromkeys(_one_of(item, known) for item in items))

    return BeforeValidator(check), WithJsonSchema({"type": "array", "items": {"enum": list(known)}})


def _media(value: Any) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(f"expected a list such as [image, pdf], found {shown(value)}")
    for item in items:
        if not isinstance(item, str) or (item not in MEDIA_TYPES and "/" not in item):
            raise ValueError(
                f"expected {', '.join(MEDIA_TYPES)} or a media type such as image/png, found {shown(item)}"
            )
    return tuple(sorted({str(item) for item in items}))


def _day(value: Any) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(checks.text(value))
    except ValueError:
        raise ValueError(f"expected a day such as 2027-01-31, found {shown(value)}") from None


def _sizes(value: Any) -> tuple[int, ...]:
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(sorted({checks.count(item) for item in items}))


_MEDIA_SCHEMA = {"type": "array", "items": {"type": "string"}, "examples": [["image", "pdf"], []]}
_SIZES_SCHEMA = {"type": "array", "items": {"type": "integer", "minimum": 1}}


class ProfileConfig(FileModel):
    """Facts about the model, over those of the bundled book, for models that it does not know, or knows wrongly."""

    context_tokens: Count | None = Field(default=None, description="Input and output together.")
    max_input_tokens: Count | None = Field(
        default=None, description="The most it reads, where that is less than the whole context."
    )
    max_output_tokens: Count | None = Field(default=None, description="The most it writes.")
    default_output_tokens: Count | None = Field(
        default=None, description="The cap that is sent to a vendor that demands one, when the caller gives none."
    )
    tools: Flag | None = Field(default=None, description="It can call tools.")
    parallel_tools: Flag | None = Field(default=None, description="It can call several tools in one turn.")
    forced_tools: Flag | None = Field(default=None, description="It can be made to call a tool.")
    json_schema: Flag | None = Field(default=None, description="It follows an output schema by itself.")
    media: Annotated[tuple[str, ...], BeforeValidator(_media), WithJsonSchema(_MEDIA_SCHEMA)] | None = Field(
        default=None,
        description="All that it reads beside text: image, audio, video, pdf, or media types; [] for none.",
    )
    refuses: Annotated[tuple[str, ...], *_list_of(_SETTINGS)] | None = Field(
        default=None, description="Settings that it takes no value of: they are left out, or refused by `unsupported`."
    )
    refuses_when_reasoning: Annotated[tuple[str, ...], *_list_of(_SETTINGS)] | None = Field(
        default=None, description="Settings that it takes only while it does not reason."
    )
    one_sampling: Flag | None = Field(default=None, description="It takes temperature or top_p, not both.")
    reasoning: ReasoningControl | None = Field(
        default=None,
        description="How it reasons: none, budget (a number of tokens), effort (by a word), adaptive (off unless"
        " asked), default (on unless told not to), always.",
    )
    efforts: Annotated[tuple[str, ...], *_list_of(_EFFORTS)] | None = Field(
        default=None, description="The words that reasoning_effort may be; others go to the nearest of them."
    )
    dimensions: Count | None = Field(default=None, description="Embed: numbers per vector unless asked otherwise.")
    dimension_choices: Annotated[tuple[int, ...], BeforeValidator(_sizes), WithJsonSchema(_SIZES_SCHEMA)] | None = (
        Field(default=None, description="Embed: all sizes that its vectors may have.")
    )
    space: Text | None = Field(
        default=None, description="Embed: name of the vector space, for models that share one under several names."
    )
    retires_on: Annotated[date, BeforeValidator(_day)] | None = Field(
        default=None, description="The day from which the vendor no longer serves it."
    )

    def facts(self) -> dict[str, Any]:
        """What is given."""
        return self.model_dump(exclude_none=True)


class RequireConfig(FileModel):
    """What every candidate of a route must have."""

    features: tuple[Feature, ...] = ()
    context_tokens: Count | None = Field(default=None, description="At least so much context.")
    max_output_tokens: Count | None = Field(default=None, description="It writes at least so much.")
    region: Text | None = Field(default=None, description="Its provider's `region` is this.")


_AMOUNTS = ("context_tokens", "max_output_tokens", "region")


def _require(value: Any) -> Any:
    """A list of names, of which those with a value are mappings: [tools, vision, {context_tokens: 100k}]."""
    if isinstance(value, RequireConfig):
        return value
    items = value if isinstance(value, list | tuple) else (value,)
    found: dict[str, Any] = {}
    features: set[str] = set()
    for item in items:
        if isinstance(item, Mapping):
            found |= {_one_of(key, _AMOUNTS): amount for key, amount in item.items()}
        else:
            features.add(_one_of(item, (*FEATURES, *_AMOUNTS)))
    bare = features & {*_AMOUNTS}
    if bare:
        name = min(bare)
        raise ValueError(f"{name!r} needs a value, such as {{{name}: {'eu' if name == 'region' else '100k'}}}")
    return {"features": tuple(sorted(features)), **found}


_REQUIRE_SCHEMA = {
    "type": "array",
    "items": {
        "anyOf": [
            {"enum": list(FEATURES)},
            {
                "type": "object",
                "properties": {
                    "context_tokens": {"description": "At least so much context.", "type": ["integer", "string"]},
                    "max_output_tokens": {"description": "It writes at least so much.", "type": ["integer", "string"]},
                    "region": {"description": "Its provider's `region` is this.", "type": "string"},
                },
                "additionalProperties": False,
                "minProperties": 1,
            },
        ]
    },
    "examples": [["tools", "json_schema"], ["vision", {"context_tokens": "100k"}, {"region": "eu"}]],
}

Require = Annotated[RequireConfig, BeforeValidator(_require), WithJsonSchema(_REQUIRE_SCHEMA)]


def model_profile(model: str, told: str | None, own: ProfileConfig | None, kind: Profile) -> ModelProfile:
    """What the book knows of a deployment's model, and over it what the file says.

    Args:
        model: the vendor's name of it.
        told: `priced_as`; with a model in it, it says which model hides behind a name of one's own.
        own: the file's `profile`.
        kind: the provider kind that serves it.
    """
    name = told if told and "/" in told else model
    book = bundled()
    vendor = kind.kind if book.sells(kind.kind) or not kind.prices else kind.prices
    seller = name.partition("/")[0]
    if kind.prices is None and "/" in name and book.sells(seller):
        vendor = seller  # an engine's or a gateway's names say whose model it is
    known = book.find(vendor, name)
    return overlaid(known, own.facts()) if own else known
