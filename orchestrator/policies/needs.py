"""What a deployment's calls really use, learnt from its answers, so that reservations are neither idle nor short.

A call is estimated before it is sent: input from its bytes, output as its cap. Answers mostly stay far below the cap,
and bytes per token differ by model and language. Reserving the estimate itself would leave most of a token limit
unused, or overrun it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from orchestrator.policies.limits import Need

__all__ = ["Forecast"]

_ENOUGH = 20
"""Answers before their lengths say anything."""

_RISE, _FALL = math.exp(0.05 * 0.9), math.exp(-0.05 * 0.1)
"""Nine answers below for each one above keep the estimate where it is: that is the 90th percentile."""

_MEMORY = 0.05
_DEVIATIONS = 2.0
"""Of a normal distribution, the mean and twice the mean deviation lie at the 95th percentile."""

_LEAST, _MOST = 0.5, 3.0
_TOO_SHORT = 16
"""Input tokens below which the chat template outweighs the text, so that the ratio says nothing about longer ones."""


class Forecast:
    """Learns one deployment's needs. Outlives reloads.

    Safe from any thread without a lock: every state is one number, and an update lost between two threads is one answer
    fewer learnt from. `charges_output_cap`: the vendor counts the output cap when a request arrives, so it is reserved.
    """

    __slots__ = ("_answers", "_charges_output_cap", "_deviation", "_mean", "_samples", "input_ratio", "output_p90")

    def __init__(self, *, charges_output_cap: bool = False) -> None:
        self._charges_output_cap = charges_output_cap
        self._mean = 1.0
        self._deviation = 0.0
        self._samples = 0
        self._answers = 0
        self.input_ratio = 1.0
        """Reserved input tokens per estimated one, 0.5 to 3."""
        self.output_p90 = 0.0
        """Output tokens that nine answers of ten stay within; before twenty answers, the longest."""

    def need(self, estimate: Need, *, capped: bool = True) -> Need:
        """What to reserve for a call so estimated.

        `capped=False`: nobody bounded the answer, so the estimated output is a guess that may be too low as well.
        """
        output = estimate.output_tokens
        if output and self._answers >= _ENOUGH and not self._charges_output_cap:
            usual = math.ceil(self.output_p90)
            output = min(usual, output) if capped else usual
        return type(estimate)(math.ceil(estimate.input_tokens * self.input_ratio), output)

    def learn(self, estimated: Need, usage: Usage) -> None:
        """A call was answered in full. `estimated` is what `need` was given, not what it gave.

        Only the vendor's own counts teach anything: our estimates would only confirm themselves.
        """
        if usage.source != "vendor":
            return
        if usage.input_tokens is not None and estimated.input_tokens >= _TOO_SHORT:
            self._learn_input(usage.input_tokens / estimated.input_tokens)
        if usage.output_tokens and estimated.output_tokens:
            self._learn_output(usage.output_tokens)

    def _learn_input(self, ratio: float) -> None:
        self._samples = samples = self._samples + 1
        off = ratio - self._mean
        self._mean = mean = self._mean + off * (1.0 / samples if samples < _ENOUGH else _MEMORY)
        self._deviation = deviation = self._deviation + _MEMORY * (abs(off) - self._deviation)
        ratio = mean + _DEVIATIONS * deviation
        self.input_ratio = _LEAST if ratio < _LEAST else min(ratio, _MOST)

    def _learn_output(self, tokens: int) -> None:
        usual = self.output_p90
        if self._answers >= _ENOUGH:
            self.output_p90 = usual * (_RISE if tokens > usual else _FALL)
            return
        self.output_p90 = max(usual, tokens)
        self._answers += 1
