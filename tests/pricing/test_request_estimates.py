"""How many tokens a request is thought to be: texts, and what stands around them at the model's family."""

from __future__ import annotations

import pytest

from orchestrator.pricing import estimate_tokens
from orchestrator.sizing import PLAIN, Frame, chat_tokens, frame_for, media_tokens
from orchestrator.types.chat import (
    ChatRequest,
    Media,
    Message,
    OutputSchema,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

TEXT = "Which plan includes single sign-on?"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORECAST = Tool(name="forecast", description="Rain to come.", parameters=CITY)
ANSWER = OutputSchema(name="answer", schema=CITY)


def asking(*parts: Part, **more: object) -> ChatRequest:
    """A request of one message."""
    return ChatRequest(messages=(Message("user", parts),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-haiku-4-5", "claude"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
        ("anthropic/claude-sonnet-5", "claude"),
        ("gpt-4o-mini", "gpt-"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("Qwen/Qwen3-32B", "qwen"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama"),
        ("amazon.nova-lite-v1:0", "nova"),
    ],
)
def test_a_family_is_known_by_the_name_of_the_model(model: str, family: str) -> None:
    """Whoever sells it and however its name is written, a model has the frame of its family."""
    assert frame_for(model) is frame_for(family)
    assert frame_for(model) != PLAIN


def test_an_unknown_model_has_a_plain_frame() -> None:
    """A model of no known family is taken to have a short template around each turn."""
    assert frame_for("my-own-model") is frame_for("mistral-small-latest") is PLAIN


def test_a_chat_is_its_texts_in_a_frame() -> None:
    """Each message costs its text and what the template adds to a turn; the request has an addition of its own."""
    one, frame = estimate_tokens(TEXT), Frame(request=7, message=3)
    assert chat_tokens(asking(Text(TEXT)), frame) == 7 + 3 + one
    two = ChatRequest(messages=(Message("user", (Text(TEXT), Text(TEXT))), Message("assistant", (Reasoning(TEXT),))))
    assert chat_tokens(two, frame) == 7 + 2 * 3 + 3 * one


def test_tools_cost_their_texts_and_the_instructions_for_using_any() -> None:
    """The second tool costs what it says; the first brings the vendor's instructions along."""
    frame = Frame(tools=500)
    none = chat_tokens(asking(Text(TEXT)), frame)
    first = chat_tokens(asking(Text(TEXT), tools=(FORECAST,)), frame) - none
    second = chat_tokens(asking(Text(TEXT), tools=(FORECAST, FORECAST)), frame) - none - first
    assert first == second + 500
    assert 15 <= second <= 60


def test_the_schema_of_the_answer_is_input_where_the_vendor_counts_it() -> None:
    """OpenAI's and others' models read the schema as input; Gemini's are bound by it without."""
    plain, bound = asking(Text(TEXT)), asking(Text(TEXT), output=ANSWER)
    assert chat_tokens(bound) > chat_tokens(plain) + 10
    assert chat_tokens(bound, frame_for("gemini-2.5-flash")) == chat_tokens(plain, frame_for("gemini-2.5-flash"))


def test_calls_and_results_of_tools_are_counted() -> None:
    """What a tool was asked and what it gave, in text or in parts, costs tokens."""
    call = ToolCall(id="c", name="forecast", arguments={"city": "Bergen"})
    assert chat_tokens(asking(call)) > chat_tokens(asking())
    texts = chat_tokens(asking(ToolResult(id="c", content=TEXT)))
    assert texts == chat_tokens(asking(ToolResult(id="c", content=(Text(TEXT),)))) == chat_tokens(asking(Text(TEXT)))


@pytest.mark.parametrize(
    ("media", "least", "most"),
    [
        (Media(media_type="image/*", url="https://example.com/plan.png"), 250, 1600),
        (Media(media_type="image/png", data=b"x" * 70), 50, 300),
        (Media(media_type="image/jpeg", data=b"x" * 100_000), 300, 1600),
        (Media(media_type="image/jpeg", data=b"x" * 10_000_000), 1000, 2000),
        (Media(media_type="application/pdf", url="https://example.com/plan.pdf"), 250, 3000),
        (Media(media_type="application/pdf", data=b"/Type /Pages" + b"/Type /Page " * 9), 9 * 250, 9 * 3000),
        (Media(media_type="application/pdf", data=b"compressed"), 250, 3000),
        (Media(media_type="audio/wav", data=b"x" * 320_000), 100, 400),
        (Media(media_type="text/plain", data=b"word " * 1000), 800, 1600),
        (Media(media_type="video/mp4", file_id="f"), 1000, 10_000),
    ],
)
def test_media_are_counted_in_the_right_order_of_size(media: Media, least: int, most: int) -> None:
    """Pictures, pages, sound, video and files of text come to what vendors say of such ones, within bounds."""
    assert least <= media_tokens(media) <= most
