"""Whether every deployment of a route has what the route requires, and how long its model will be served."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from orchestrator.config.features import RequireConfig
from orchestrator.config.tree import KeyPath, Problems, shown
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Profile
from orchestrator.types.call import Task

__all__ = ["Served", "check_requirements", "lacks", "misuse", "retirement"]

_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Served:
    """A deployment as far as requirements go: its model's name and facts, its provider's kind and region."""

    model: str
    known: ModelProfile
    kind: Profile
    provider: str
    region: str | None


Verdict: TypeAlias = "bool | None"
"""None: nothing is known."""


def _reads(media_type: str) -> Callable[[Served], Verdict]:
    def verdict(served: Served) -> Verdict:
        family = media_type.partition("/")[0] + "/"
        if served.kind.media and not any(one == media_type or one.startswith(family) for one in served.kind.media):
            return False  # whatever the model reads, this kind cannot carry it
        media = served.known.media
        return None if media is None else any(one == media_type or one.startswith(family) for one in media)

    return verdict


def _schema(served: Served) -> Verdict:
    known = served.known
    stands_in = served.kind.schema_by_tool and known.tools and known.forced_tools is not False
    return True if stands_in else known.json_schema


_HAS: Mapping[str, Callable[[Served], Verdict]] = {
    "audio": _reads("audio/*"),
    "forced_tools": lambda served: served.known.forced_tools,
    "json_schema": _schema,
    "parallel_tools": lambda served: served.known.parallel_tools,
    "pdf": _reads("application/pdf"),
    "reasoning": lambda served: None if served.known.reasoning is None else served.known.reasoning != "none",
    "tools": lambda served: served.known.tools,
    "video": _reads("video/*"),
    "vision": _reads("image/*"),
}

_STATED = {
    "audio": "media: [audio]",
    "pdf": "media: [pdf]",
    "reasoning": "reasoning: always",
    "video": "media: [video]",
    "vision": "media: [image]",
}


def check_requirements(
    require: RequireConfig, path: KeyPath, names: Mapping[str, KeyPath], found: Mapping[str, Served], problems: Problems
) -> None:
    """Note, where the route names each deployment, what that lacks or what is not known of it.

    Args:
        require: what the route requires.
        path: of the route.
        names: where the route names each deployment.
        found: the deployments it reaches.
        problems: where mistakes go.
    """
    for name, served in found.items():
        missing = list(lacks(require, served))
        if missing:
            problems.add(names[name], f"{shown(name)} does not meet {_named(path)}: {'; '.join(missing)}")


def _named(path: KeyPath) -> str:
    return f"`require` of route {shown(path[-1])}"


def lacks(require: RequireConfig, served: Served) -> Iterator[str]:
    """What a deployment lacks of the requirements, or what is not known of it, in words."""
    for feature in require.features:
        verdict = _HAS[feature](served)
        if verdict is None:
            yield _unknown(served, f"has {feature}", _STATED.get(feature, f"{feature}: true"))
        elif not verdict:
            yield f"{served.model} of kind {shown(served.kind.kind)} has no {feature}"
    yield from _too_small(served, "context_tokens", require.context_tokens)
    yield from _too_small(served, "max_output_tokens", require.max_output_tokens)
    if require.region is not None and served.region != require.region:
        yield _elsewhere(served, require.region)


def _elsewhere(served: Served, region: str) -> str:
    provider = f"provider {shown(served.provider)}"
    if served.region:
        return f"{provider} is in region {shown(served.region)}, not {shown(region)}"
    return f"the region of {provider} is not known; if it is {shown(region)}, say region: {region} there"


def _too_small(served: Served, name: str, least: int | None) -> Iterator[str]:
    if least is None:
        return
    size: int | None = getattr(served.known, name)
    if name == "max_output_tokens" and size is None:
        size = served.known.context_tokens  # no limit of its own
    if size is None:
        yield _unknown(served, f"has {name} of {least:,}", f"{name}: {least}")
    elif size < least:
        yield f"{name} of {served.model} is {size:,}, less than {least:,}"


def _unknown(served: Served, what: str, stated: str) -> str:
    return f"it is not known whether {served.model} {what}; if so, say profile: {{{stated}}} on the deployment"


def retirement(model: str, known: ModelProfile, today: date) -> str | None:
    """A warning for a model that its vendor has retired, or will within 30 days; else None."""
    day = known.retires_on
    if day is None or day > today + _SOON:
        return None
    if day <= today:
        return f"{shown(model)} was retired by its vendor on {day}: calls to it fail or soon will; name its successor"
    return f"{shown(model)} will be retired by its vendor on {day}, in {(day - today).days} days; name its successor"


def misuse(model: str, known: ModelProfile, tasks: Collection[Task]) -> str | None:
    """What to warn of a model whose routes ask of it what it is not known to do; None if there is nothing to say."""
    embeds = known.dimensions is not None
    if "chat" in tasks and embeds:
        return f"a chat route uses it, and {model} gives vectors"
    if "embed" in tasks and not embeds and known.tools is not None:
        return f"an embed route uses it, and {model} answers in text"
    return None
