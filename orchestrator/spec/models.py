"""What one model can do and take, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

__all__ = ["ModelProfile", "ReasoningControl"]

ReasoningControl = Literal["none", "budget", "effort", "adaptive", "default", "always"]
"""How a model reasons: `none`, it does not; `budget`, for a number of tokens; `effort`, as deep as a word says;
`adaptive`, off unless asked for, and as deep as a word says; `default`, the same, but on unless told not to; `always`,
on whatever one asks.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """Facts about a model, whoever serves it. None and empty mean unknown, and what is unknown is not refused.

    Attributes:
        family: the generation whose facts these are, such as `claude-4-6`; empty if the model is not known.
        context_tokens: input and output together.
        max_input_tokens: the most it reads, where that is less than the whole context.
        max_output_tokens: the most it writes.
        default_output_tokens: the cap to send to a vendor that demands one, when the caller gives none.
        tools, parallel_tools: it can call tools; several in one turn.
        forced_tools: it can be made to call a tool.
        json_schema: it follows an output schema by itself; False: a tool call has to stand in for it.
        media: media types it reads, `image/*` for a family; frozenset() for text only.
        refuses: settings that it takes no value of, by our names (`temperature`, `top_p`, `stop`, `seed`, ...).
        refuses_when_reasoning: settings that it takes only while it does not reason.
        one_sampling: it takes temperature or top_p, not both.
        reasoning: how it reasons.
        efforts: the words that `reasoning_effort` may be; others go to the nearest of them.
        uncapped_efforts: those of them with which it takes no cap on what it writes.
        dimensions: numbers per vector unless asked otherwise.
        dimension_choices: the sizes it can shorten its vectors to; `dimensions` alone if it cannot.
        space: name of its vector space, for models whose names hide that they share one.
        retires_on: the day from which the vendor no longer serves it.
    """

    family: str = ""
    context_tokens: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    default_output_tokens: int | None = None
    tools: bool | None = None
    parallel_tools: bool | None = None
    forced_tools: bool | None = None
    json_schema: bool | None = None
    media: frozenset[str] | None = None
    refuses: frozenset[str] = frozenset()
    refuses_when_reasoning: frozenset[str] = frozenset()
    one_sampling: bool = False
    reasoning: ReasoningControl | None = None
    efforts: tuple[str, ...] = ()
    uncapped_efforts: tuple[str, ...] = ()
    dimensions: int | None = None
    dimension_choices: tuple[int, ...] = ()
    space: str | None = None
    retires_on: date | None = None

    def gives_dimensions(self, size: int) -> bool:
        """Whether its vectors may have that size, as far as is known."""
        if self.dimension_choices:
            return size in self.dimension_choices
        return self.dimensions is None or size <= self.dimensions

    def reasons(self, effort: str | None) -> bool:
        """Whether it reasons when asked for that effort, as far as is known; None is its own default."""
        if self.reasoning == "always":
            return True
        return effort not in {None, "none"} or (effort is None and self.reasoning == "default")
