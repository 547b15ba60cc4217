"""Checks of a call's options, before anything is sent. Raises `InvalidRequest` naming what; never quotes content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from orchestrator.errors import InvalidRequest
from orchestrator.types.chat import ChatOptions, ReasoningEffort
from orchestrator.types.retrieval import EmbedOptions, InputType, RerankOptions

__all__ = ["check_chat_options", "check_embed_options", "check_rerank_options", "stop_texts"]

_EFFORTS = get_args(ReasoningEffort)
_INPUT_TYPES = get_args(InputType)
_CHOICES = ("auto", "none", "required")


def check_chat_options(options: ChatOptions, tool_names: Sequence[str]) -> None:
    """Ranges that no vendor takes, wrong types, and a tool choice without its tool."""
    _check_number("temperature", options.temperature, 0, 2)
    _check_number("top_p", options.top_p, 0, 1)
    _check_count("max_output_tokens", options.max_output_tokens)
    if options.seed is not None and not _is_whole(options.seed):
        raise InvalidRequest(f"seed: expected a whole number, found {type(options.seed).__name__}")
    if options.parallel_tool_calls is not None and not isinstance(options.parallel_tool_calls, bool):
        raise InvalidRequest("parallel_tool_calls: expected True or False")
    _check_one_of("reasoning_effort", options.reasoning_effort, _EFFORTS)
    _check_vendor_options(options.provider_options)
    _check_tool_choice(options.tool_choice, tool_names)


def check_embed_options(options: EmbedOptions) -> None:
    """Wrong types, sizes below one, input types that do not exist."""
    _check_count("dimensions", options.dimensions)
    _check_one_of("input_type", options.input_type, _INPUT_TYPES)
    _check_vendor_options(options.provider_options)


def check_rerank_options(options: RerankOptions) -> None:
    """Wrong types, and a `top_n` below one."""
    _check_count("top_n", options.top_n)
    _check_vendor_options(options.provider_options)


def stop_texts(given: Any) -> tuple[str, ...]:
    """One text or several at which the answer ends, none of them empty."""
    found = (given,) if isinstance(given, str) else given
    if not isinstance(found, Sequence) or not all(isinstance(text, str) and text for text in found):
        raise InvalidRequest("stop: expected a text or a list of texts, none of them empty")
    return tuple(found)


def _check_tool_choice(choice: Any, tool_names: Sequence[str]) -> None:
    if choice is None:
        return
    if not isinstance(choice, str):
        found = type(choice).__name__
        raise InvalidRequest(f"tool_choice: expected {', '.join(_CHOICES)} or the name of a tool, found {found}")
    if not tool_names:
        raise InvalidRequest("tool_choice: there are no tools to choose from")
    if choice not in _CHOICES and choice not in tool_names:
        hint = "; did you mean 'required'?" if choice == "any" else ""
        raise InvalidRequest(f"tool_choice: no tool has that name; tools: {', '.join(tool_names)}{hint}")


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidRequest(f"{name}: expected a number from {low} to {high}, found {_found(value)}")


def _check_count(name: str, value: Any) -> None:
    if value is not None and not (_is_whole(value) and value >= 1):
        raise InvalidRequest(f"{name}: expected a whole number, at least 1, found {_found(value)}")


def _found(value: Any) -> str:
    """A number, or a word that is no content; anything else by its type."""
    short = isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isidentifier()
    return repr(value) if short or isinstance(value, int | float) else type(value).__name__


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_one_of(name: str, value: Any, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise InvalidRequest(f"{name}: expected one of {', '.join(known)}, found {_found(value)}")


def _check_vendor_options(value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(one, Mapping) for one in value.values()):
        raise InvalidRequest("provider_options: expected mappings by provider kind, such as {'openai': {…}}")
