"""How a route chooses: `pick`, `then`, `when` and `sticky`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from orchestrator.config import checks
from orchestrator.config.fields import FileModel
from orchestrator.config.tree import nearest, shown

__all__ = ["MAX_CASES", "Names", "Pick", "PickConfig", "Rule", "Sticky", "Texts", "WhenConfig"]

MAX_CASES = 256
"""The most cases of one route: each call tries them in order."""

Rule = Literal["ordered", "weighted", "fastest", "least_busy", "cheapest"]

_NAME_LIST = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_TEXTS_SCHEMA = {"anyOf": [{"type": "string"}, _NAME_LIST | {"minItems": 1}]}
_NAMES_SCHEMA = {"anyOf": [{"type": "string"}, _NAME_LIST]}
_WEIGHTS_SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
    "minProperties": 2,
}
_RULES_SCHEMA = {
    "type": "object",
    "properties": {
        "weighted": _WEIGHTS_SCHEMA | {"description": "By chance, in these proportions."},
        "fastest": _NAME_LIST | {"minItems": 2, "description": "The one that answers soonest of late."},
        "least_busy": _NAME_LIST | {"minItems": 2, "description": "The one with the fewest calls in flight."},
        "cheapest": _NAME_LIST
        | {"minItems": 2, "description": "The one whose tokens cost least, as this route uses them."},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_PICK_SCHEMA = {"anyOf": [*_TEXTS_SCHEMA["anyOf"], _RULES_SCHEMA]}
_STICKY_SCHEMA = {"type": "string", "pattern": r"^(tenant|user|tags\..+)$", "examples": ["tenant", "tags.session"]}


class PickConfig(FileModel):
    """How the first deployment is chosen. The other names follow when it fails.

    For `weighted`, `weights` are those of `names`, heaviest first. For the other rules there are none.
    """

    rule: Rule = "ordered"
    names: tuple[str, ...]
    weights: tuple[float, ...] = ()


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else (value,)
    if not items:
        raise ValueError("the list is empty; give at least one value")
    found = [checks.text(item) for item in items]
    twice = next((item for item, times in Counter(found).items() if times > 1), None)
    if twice is not None:
        raise ValueError(f"{shown(twice)} is given twice")
    # Sorted, since their order means nothing.
    return tuple(sorted(found))


def _tag_names(value: Any) -> Any:
    if isinstance(value, dict):
        if not value:
            raise ValueError("expected values by tag, such as {tier: gold}, found none")
        for key in value:
            checks.name(key)
    return value


def _sticky(value: Any) -> str:
    found = checks.text(value) if isinstance(value, str) else ""
    if found in {"tenant", "user"} or (found.startswith("tags.") and found.removeprefix("tags.").strip()):
        return found
    close = nearest(found, ("tenant", "user")) if found else ""
    raise ValueError(
        f"expected tenant, user or tags.NAME, found {shown(value)}{close if 'did you mean' in close else ''}"
    )


Pick = Annotated[PickConfig, WithJsonSchema(_PICK_SCHEMA)]
Names = Annotated[tuple[str, ...], WithJsonSchema(_NAMES_SCHEMA)]
Sticky = Annotated[str, BeforeValidator(_sticky), WithJsonSchema(_STICKY_SCHEMA)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), WithJsonSchema(_TEXTS_SCHEMA)]


class WhenConfig(FileModel):
    """One case of a route: calls that meet all of its conditions are picked for by its own rule.

    Of several values of one condition, any will do. `then` is the route's own (without what is picked here already)
    where the case has none.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["tenant"]}, {"required": ["tags"]}]})

    tenant: Texts = Field(default=(), description="Tenants that it is for.")
    tags: Annotated[dict[str, Texts], BeforeValidator(_tag_names)] = Field(
        default_factory=dict, description="Values by tag that it is for; a call without the tag does not match."
    )
    pick: Pick = Field(description="As the route's.")
    then: Names = Field(default=(), description="As the route's, and the route's own if it is left out.")
