"""What a call used and what that cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal

from orchestrator.types.elsewhere import Elsewhere
from orchestrator.types.shown import known

__all__ = ["Cost", "Usage", "UsageSource"]

UsageSource = Literal["vendor", "estimate"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Usage(Elsewhere):
    """Tokens and units of one attempt or one call.

    Parents include their parts: `input_tokens` contains `cache_read_tokens`, `cache_write_tokens`,
    `input_audio_tokens` and `input_image_tokens`; `output_tokens` contains `reasoning_tokens` and
    `output_audio_tokens`; `cache_write_tokens` contains `cache_write_1h_tokens`. Unknown is None, never 0. `raw` is
    the vendor's own object.

    `extras` has counts of what few models bill, by the price row's bucket, and only where the vendor counts them:

    | bucket | count |
    | --- | --- |
    | `cache_read_audio`, `cache_read_image` | tokens, part of `cache_read_tokens` and of the input's sound or images |
    | `input_video` | tokens, part of `input_tokens` |
    | `output_image`, `output_video` | tokens, part of `output_tokens` |
    | `web_search` | searches of the web that the vendor ran for this answer: calls of its tool, or queries (Google) |
    | `web_search_preview` | the same by the older tool of OpenAI's that costs more (with models that do not reason) |
    | `map_search` | queries of Google Maps |
    | `file_search` | searches of files stored at the vendor |
    | `social_search`, `code_execution` | calls of these tools of xAI |

    Example:
        >>> Usage(input_tokens=1200, cache_read_tokens=1000, output_tokens=300).total_tokens
        1500
    """

    _elsewhere: ClassVar[Mapping[str, str]] = {
        "prompt_tokens": "did you mean 'input_tokens'?",
        "completion_tokens": "did you mean 'output_tokens'?",
        "cached_tokens": "did you mean 'cache_read_tokens'?",
    }

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_audio_tokens: int | None = None
    search_units: float | None = None
    extras: Mapping[str, int] | None = None
    source: UsageSource = "vendor"
    raw: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def total_tokens(self) -> int | None:
        """Input plus output, None while either is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens

    __repr__ = known


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cost:
    """Money in US dollars, exact.

    Attributes:
        total: dollars, or None when it cannot be known; `unknown` then says why. Free is `Decimal(0)`.
        buckets: dollars per bucket (`input`, `output`, `cache_read`, ...), summing to `total`.
        unknown: the reason why `total` is None.
        price_row: the price-book row used, `vendor/model` (and `#place` where tokens cost more there), or `config` for
            prices written in the file, `vendor` for the sum that the vendor itself stated.
        price_book: version of the book that row came from.
        asked: the `vendor/model`, or `vendor/model#place`, that the price book was asked for, whether it had a row or
            not; None where no book was asked. With it and the model that served, old usage is priced again.
        factor: what the file's `discount` left of the book's prices, 0.85 for 15 % off; None for all of it.
        estimated: some of the usage behind it is our estimate, not the vendor's count.

    Example:
        >>> cost = llm.chat("answer", "Which plan includes SSO?").cost
        >>> cost.total == sum(cost.buckets.values()), cost.price_row
        (True, 'openai/gpt-4o-mini')
    """

    total: Decimal | None = None
    buckets: Mapping[str, Decimal] = field(default_factory=dict)
    unknown: str | None = None
    price_row: str | None = None
    price_book: str | None = None
    asked: str | None = field(default=None, compare=False)
    factor: Decimal | None = field(default=None, compare=False)
    estimated: bool = False

    __repr__ = known
