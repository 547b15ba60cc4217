"""Asks a model to correct an answer that does not fit its schema."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.errors import MalformedReply
from orchestrator.types.chat import ChatRequest, Message, Text

__all__ = ["correction"]


def correction(request: ChatRequest, answer: Message, misfit: MalformedReply) -> ChatRequest:
    """The conversation, gone on by the answer and by what is wrong with it: places in the schema, nothing else."""
    text = (
        f"Your answer cannot be used: {misfit.message}. Give the whole answer again, corrected:"
        " one JSON value that fits the schema, and nothing else."
    )
    said = (answer,) if answer.text.strip() else ()  # vendors refuse an empty turn
    return replace(request, messages=(*request.messages, *said, Message("user", (Text(text),))))
