"""Fits a request to the model that is to get it, before anything is reserved or sent.

A setting that the model does not take is left out with a warning, or refused where the route says so; one that it takes
in part (an output cap, an effort) is brought to the nearest it takes, with a warning. A feature that it lacks, or an
input far beyond its context, is an error, so that the next candidate is asked. What is not known is let through: the
vendor knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeAlias

from orchestrator.errors import ContextTooLong, UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.types.call import CallWarning, Task
from orchestrator.types.chat import ChatOptions, ChatRequest, Media, Part, Text, ToolResult
from orchestrator.types.retrieval import EmbedRequest

__all__ = ["Fit", "Fitted", "fit_for"]

Fitted: TypeAlias = tuple[Any, tuple[CallWarning, ...]]
"""The request as the model takes it, and what was left out of it or changed."""

Fit: TypeAlias = Callable[[Any], Fitted]
"""Raises `UnsupportedFeature` or `ContextTooLong`."""

_FAR_BEYOND = 3
"""Estimated tokens per token of context from which an input is refused unsent.

Estimates err by half at most on prose, but those of rows of digits or rules of dashes can be twice the truth and more.
To refuse what the vendor would take is worse than to send what it refuses, which costs a round trip and no tokens.
"""

_TOKENS_PER_CHARACTER = 2
"""No text is estimated at more, so a short one needs no estimate."""

_SAMPLING = ("temperature", "top_p")
_RANKS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NOT_FORCED = frozenset({None, "auto", "none"})


def fit_for(task: Task, known: ModelProfile, *, model: str, strict: bool, estimate: Callable[[Any], int]) -> Fit | None:
    """What fits requests to a model; None if nothing that is known of it could change or refuse one.

    Args:
        task: the route's.
        known: the model's facts.
        model: its name, for messages.
        strict: a setting that would have to be left out is an error.
        estimate: input tokens of a request, roughly.
    """
    if known == ModelProfile():
        return None
    if task == "chat":
        return _ChatFit(known, model, estimate, strict=strict)
    return _embed_fit(known, model) if task == "embed" and known.dimensions else None


def _embed_fit(known: ModelProfile, model: str) -> Fit:
    def fit(request: EmbedRequest) -> Fitted:
        size = request.options.dimensions
        if size is not None and not known.gives_dimensions(size):
            sizes = ", ".join(map(str, known.dimension_choices)) or f"up to {known.dimensions}"
            raise UnsupportedFeature(f"{model} gives no vectors of {size} dimensions; it gives {sizes}")
        return request, ()

    return fit


class _ChatFit:
    """One model's fit for chats. Everything that does not depend on the call is worked out here, once."""

    __slots__ = ("_estimate", "_known", "_longest", "_memo", "_model", "_refused", "_settings", "_strict", "_unread")

    def __init__(self, known: ModelProfile, model: str, estimate: Callable[[Any], int], *, strict: bool) -> None:
        self._known = known
        self._model = model
        self._strict = strict
        self._estimate = estimate
        self._refused = known.refuses | ({"reasoning_effort"} if known.reasoning == "none" else frozenset())
        self._settings = tuple(sorted(self._refused | known.refuses_when_reasoning))
        self._longest = (known.max_input_tokens or known.context_tokens or 0) * _FAR_BEYOND
        self._unread = known.media is not None
        # Calls without options of their own share one object of defaults: their fit is found once.
        self._memo: tuple[ChatOptions | None, bool, ChatOptions | None, tuple[CallWarning, ...]] = (
            None,
            False,
            None,
            (),
        )

    def __call__(self, request: ChatRequest) -> Fitted:
        options, tools = request.options, bool(request.tools)
        memo = self._memo
        if memo[0] is not options or memo[1] is not tools:
            memo = self._memo = (options, tools, *self._options(options, tools=tools))
        if tools or request.output is not None:
            self._check_tools(request)
        if self._longest or self._unread:
            self._check_content(request)
        fitted, warnings = memo[2], memo[3]
        if warnings and self._strict:
            _refuse_left_out(warnings)
        if fitted is options:
            return request, warnings
        assert fitted is not None
        return replace(request, options=fitted), warnings

    def _options(self, options: ChatOptions, *, tools: bool) -> tuple[ChatOptions, tuple[CallWarning, ...]]:
        changes: dict[str, Any] = {}
        warnings: list[CallWarning] = []
        for name in self._settings:
            value = getattr(options, name)
            if value is not None and self._is_refused(name, value, options, tools=tools):
                changes[name] = None
                if value != "none":  # no reasoning is what a model without it does anyway
                    warnings.append(CallWarning("unsupported", name, f"left out: {self._model} does not take it"))
        self._fit_sampling(options, changes, warnings)
        self._fit_effort(options, changes, warnings)
        self._fit_cap(options, changes, warnings)
        return (replace(options, **changes) if changes else options), tuple(warnings)

    def _is_refused(self, name: str, value: Any, options: ChatOptions, *, tools: bool) -> bool:
        if name in _SAMPLING and value == 1:
            return False  # what every model samples with by itself: the wire knows whether it may be said
        if name == "parallel_tool_calls" and not tools:
            return False
        return name in self._refused or self._known.reasons(options.reasoning_effort)

    def _fit_sampling(self, options: ChatOptions, changes: dict[str, Any], warnings: list[CallWarning]) -> None:
        both = all(getattr(options, name) is not None and name not in changes for name in _SAMPLING)
        if self._known.one_sampling and both:
            changes["top_p"] = None
            message = f"left out: {self._model} takes temperature or top_p, not both"
            warnings.append(CallWarning("unsupported", "top_p", message))

    def _fit_effort(self, options: ChatOptions, changes: dict[str, Any], warnings: list[CallWarning]) -> None:
        effort, known = options.reasoning_effort, self._known
        if effort is None or "reasoning_effort" in changes or not known.efforts or effort in known.efforts:
            return
        if effort == "none" and known.reasoning != "always":
            return  # the wire has a way of its own to turn reasoning off
        nearest = _nearest(effort, known.efforts)
        if nearest == effort:
            return  # nothing but how to turn it off is known
        changes["reasoning_effort"] = nearest
        warnings.append(
            CallWarning("compatibility", "reasoning_effort", f"{self._model} takes {nearest}, not {effort}")
        )

    def _fit_cap(self, options: ChatOptions, changes: dict[str, Any], warnings: list[CallWarning]) -> None:
        most, asked = self._known.max_output_tokens, options.max_output_tokens
        if most is not None and asked is not None and asked > most:
            changes["max_output_tokens"] = most
            message = f"lowered from {asked} to {most}, the most that {self._model} writes"
            warnings.append(CallWarning("compatibility", "max_output_tokens", message))

    def _check_tools(self, request: ChatRequest) -> None:
        known, model = self._known, self._model
        if request.tools:
            if known.tools is False:
                raise UnsupportedFeature(f"{model} cannot call tools")
            if known.forced_tools is False and request.options.tool_choice not in _NOT_FORCED:
                raise UnsupportedFeature(f"{model} cannot be made to call a tool")
        if request.output is not None and known.json_schema is False and known.tools is False:
            raise UnsupportedFeature(f"{model} has no output schemas, nor tools that could stand in for them")

    def _check_content(self, request: ChatRequest) -> None:
        characters = 0
        for message in request.messages:
            for part in message.parts:
                if type(part) is Text:
                    characters += len(part.text)
                else:
                    characters += _size(part)
                    if self._unread:
                        self._check_media(_media(part))
        if self._longest and characters * _TOKENS_PER_CHARACTER > self._longest:
            self._check_length(request)

    def _check_media(self, found: Iterable[Media]) -> None:
        for media in found:
            if not _is_read(media.media_type, self._known.media or frozenset()):
                raise UnsupportedFeature(f"{self._model} does not read {media.media_type}")

    def _check_length(self, request: ChatRequest) -> None:
        estimated = self._estimate(request)
        if estimated > self._longest:
            context = self._longest // _FAR_BEYOND
            raise ContextTooLong(
                f"about {estimated:,} tokens of input are far beyond the {context:,} that {self._model} reads; not sent"
            )


def _refuse_left_out(warnings: tuple[CallWarning, ...]) -> None:
    left_out = [f"{one.setting}: {one.message}" for one in warnings if one.kind == "unsupported"]
    if left_out:
        raise UnsupportedFeature("; ".join(left_out))


def _nearest(effort: str, efforts: Iterable[str]) -> str:
    """The nearest effort, the lower of two; never none for who wants some."""
    wanted = _RANKS.index(effort)
    known = [one for one in efforts if one in _RANKS and one != "none"]
    return min(known, key=lambda one: (abs(_RANKS.index(one) - wanted), _RANKS.index(one)), default=effort)


def _media(part: Part) -> tuple[Media, ...]:
    if isinstance(part, Media):
        return (part,)
    if isinstance(part, ToolResult) and not isinstance(part.content, str):
        return tuple([inner for inner in part.content if isinstance(inner, Media)])
    return ()


def _size(part: Part) -> int:
    if isinstance(part, ToolResult) and isinstance(part.content, str):
        return len(part.content)
    return len(getattr(part, "text", ""))


def _is_read(media_type: str, known: frozenset[str]) -> bool:
    family, _, kind = media_type.partition("/")
    if family in {"text", "*"} or media_type == "application/octet-stream":
        return True  # text is what every model reads; of the others the type says nothing
    if media_type in known or f"{family}/*" in known:
        return True
    return kind == "*" and any(one.startswith(f"{family}/") for one in known)
