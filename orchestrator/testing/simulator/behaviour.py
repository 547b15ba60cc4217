"""How a simulated vendor behaves: its settings, and what goes wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.testing.simulator.answers import Scripted
from orchestrator.testing.simulator.limits import Limits

__all__ = ["Fault", "FaultKind", "Vendor", "WireName"]

WireName = Literal["openai", "anthropic", "cohere"]

FaultKind = Literal[
    "status",
    "drop",
    "hang",
    "cut",
    "stall",
    "stream_error",
    "html",
    "error_body",
    "truncated_json",
    "invalid_utf8",
    "no_choices",
    "no_usage",
]
"""What goes wrong. The vendor has done the work, and its ledger says so, for those marked $.

- `status`: an error answer with `status`, and with `code` and `retry_after` if given.
- `drop`: the connection is reset before any answer.
- `hang`: no answer, ever.
- `cut` $: the answer breaks off after `after_events` events, by a reset or (`ending="clean"`) with a proper end of the
  body and nothing that says it is incomplete. An answer that is not a stream breaks off half way.
- `stall` $: like `cut`, but the connection stays open and silent, or with the vendor's keep-alives every `keepalive_s`.
- `stream_error` $: an error event after `after_events` events, then the end. Not a stream: like `error_body`.
- `html`: status 200 and a web page.
- `error_body`: status 200 and an error in the body.
- `truncated_json` $, `invalid_utf8` $: in the body, or in the event after `after_events` others.
- `no_choices` $: no answer in the answer.
- `no_usage` $: usage is left out.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, and with which requests.

    Attributes:
        kind: see `FaultKind`.
        calls: numbers of the requests it hits (the vendor's first is 1); None for any.
        count: how many requests it hits before it is over; None for no end.
        probability: the share of requests it hits, by the vendor's seed.
        status, code, retry_after: of the error answer; `retry_after` is sent as it is, whatever it may be.
        after_events: events sent before the fault, in streams.
        ending: how a cut ends.
        keepalive_s: seconds between keep-alives while stalled.
    """

    kind: FaultKind
    calls: Collection[int] | None = None
    count: int | None = None
    probability: float = 1.0
    status: int = 503
    code: str | None = None
    retry_after: float | str | None = None
    after_events: int = 2
    ending: Literal["reset", "clean"] = "reset"
    keepalive_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor to simulate.

    Attributes:
        name: what the simulator calls it.
        wire: whose HTTP API it speaks.
        models: names it serves, or a mapping from names to the names it says it served; empty for any.
        api_key: the only key it takes; None for any, but there must be one.
        latency_s: before the headers of an answer.
        first_token_s: from there to the first token.
        tokens_per_s: pace of the tokens; None for all at once.
        jitter: each delay is multiplied by a random number between 1 - jitter and 1 + jitter.
        seed: of jitter and of fault probabilities.
        limits: what it admits.
        faults: what goes wrong; of several that fit, the first.
        answer: what it says; None for a short sentence made from the prompt, or what the request demands.
        context_tokens: the longest prompt plus output limit.
        dimensions: of embeddings, when the request does not say.
        prefix_cache: serve repeated beginnings of prompts from a cache and say so in the usage.
    """

    name: str
    wire: WireName = "openai"
    models: Sequence[str] | Mapping[str, str] = ()
    api_key: str | None = field(default=None, repr=False)
    latency_s: float = 0.0
    first_token_s: float = 0.0
    tokens_per_s: float | None = None
    jitter: float = 0.0
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    faults: Sequence[Fault] = ()
    answer: Scripted | None = field(default=None, repr=False)
    context_tokens: int = 128_000
    dimensions: int = 1536
    prefix_cache: bool = False
