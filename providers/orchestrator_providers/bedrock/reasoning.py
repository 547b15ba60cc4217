"""How each maker's models are told to reason: Converse itself has no setting for it.

Sources: the makers' model pages in AWS's documentation, and recorded requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.spec.models import ModelProfile
from orchestrator.types.call import CallWarning
from orchestrator_providers.bedrock.profile import short_name, vendor

__all__ = ["Thinking", "ask_to_reason"]

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
_LEAST_BUDGET = 1024
_WORDS = ("low", "medium", "high")
_SCALE = ("minimal", *_WORDS)


@dataclass(slots=True, kw_only=True)
class Thinking:
    """What comes of a wish to reason.

    Attributes:
        fields: the model's own fields, for `additionalModelRequestFields`.
        active: the model thinks before it answers, so that sampling is restricted.
        alone: it takes neither sampling settings nor a cap on output beside it.
        warnings: what was left out or changed.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    active: bool = False
    alone: bool = False
    warnings: list[CallWarning] = field(default_factory=list)

    def unsupported(self, message: str) -> None:
        """Note that the wish was left out."""
        self.warnings.append(CallWarning("unsupported", "reasoning_effort", message))

    def changed(self, message: str) -> None:
        """Note that the wish was changed."""
        self.warnings.append(CallWarning("compatibility", "reasoning_effort", message))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    effort: str
    model: str
    profile: ModelProfile
    output_tokens: int | None
    forced_tool: bool

    def word(self) -> str:
        """The effort in a word the model knows."""
        known = self.profile.efforts or _WORDS
        if self.effort in known or self.effort not in _SCALE:
            return self.effort if self.effort in known else "low"
        place = _SCALE.index(self.effort)
        ranked = [word for word in known if word in _SCALE]
        return min(ranked, key=lambda word: abs(_SCALE.index(word) - place), default="low")


def ask_to_reason(
    effort: str, model: str, profile: ModelProfile, *, output_tokens: int | None, forced_tool: bool
) -> Thinking:
    """Write a reasoning effort down for a model; `output_tokens` is the cap that is sent, if one is."""
    wish = _Wish(effort=effort, model=model, profile=profile, output_tokens=output_tokens, forced_tool=forced_tool)
    thinking = Thinking()
    if profile.reasoning == "none":
        if effort != "none":
            thinking.unsupported("the model does not reason")
        return thinking
    _WRITERS.get(vendor(model), _unknown)(wish, thinking)
    return thinking


def _claude(wish: _Wish, thinking: Thinking) -> None:
    control = wish.profile.reasoning
    if wish.effort == "none":
        _silence_claude(wish, thinking)
    elif control == "budget":
        _write_budget(wish, thinking)
    else:
        # `adaptive` is also the safest guess for a Claude that is not known yet.
        thinking.active = True
        if control in ("adaptive", None):
            thinking.fields["thinking"] = {"type": "adaptive"}
        thinking.fields["output_config"] = {"effort": wish.word()}


def _silence_claude(wish: _Wish, thinking: Thinking) -> None:
    if wish.profile.reasoning == "default":
        thinking.fields["thinking"] = {"type": "disabled"}
    elif wish.profile.reasoning == "always":
        thinking.active = True
        thinking.fields["output_config"] = {"effort": wish.word()}
        thinking.changed(f"the model always reasons: sent as {wish.word()}")


def _write_budget(wish: _Wish, thinking: Thinking) -> None:
    if wish.forced_tool:
        thinking.unsupported("the model cannot reason when it must call a tool")
        return
    budget = _BUDGETS[wish.effort]
    # The budget is part of the output: half of that at most, so that room for the answer is left.
    granted = budget if wish.output_tokens is None else min(budget, wish.output_tokens // 2)
    if granted < _LEAST_BUDGET:
        thinking.unsupported(f"max_output_tokens below {2 * _LEAST_BUDGET} leaves no room for it")
        return
    if granted < budget:
        thinking.changed(f"thinking is limited to half of max_output_tokens, {granted} tokens")
    thinking.active = True
    thinking.fields["thinking"] = {"type": "enabled", "budget_tokens": granted}


def _nova(wish: _Wish, thinking: Thinking) -> None:
    if not short_name(wish.model).startswith("amazon.nova-2"):
        _unknown(wish, thinking)
    elif wish.effort == "none":
        thinking.fields["reasoningConfig"] = {"type": "disabled"}
    else:
        word = wish.word()
        thinking.alone = word == "high"
        thinking.fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}


def _by_word(name: str) -> Callable[[_Wish, Thinking], None]:
    def write(wish: _Wish, thinking: Thinking) -> None:
        word = wish.word()
        if wish.effort == "none" and word != "none":
            thinking.changed(f"the model has no such effort: sent as {word}")
        thinking.fields[name] = word

    return write


def _unknown(wish: _Wish, thinking: Thinking) -> None:
    if wish.effort != "none":
        thinking.unsupported("this API has no such setting for the model; its own fields go through provider_options")


_WRITERS: Mapping[str, Callable[[_Wish, Thinking], None]] = {
    "amazon": _nova,
    "anthropic": _claude,
    "openai": _by_word("reasoning_effort"),
    "qwen": _by_word("reasoning_config"),
}
