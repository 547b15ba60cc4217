"""Every option of every task, one by one and all together, against the types that the vendors publish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from entries import WIRES, bind, chat_codec, kinds_with
from sdk_types import validate, validate_embed, validate_rerank

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.chat import ChatOptions, ChatRequest, Media, Message, OutputSchema, Text, Tool
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, RerankOptions, RerankRequest

KINDS = kinds_with("chat")
PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Its name"},
        "days": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["city"],
}
CLOSED = PARAMETERS | {"required": ["city", "days"], "additionalProperties": False}
TOOLS = (
    Tool(name="weather", description="Weather now", parameters=PARAMETERS),
    Tool(name="strict_weather", parameters=CLOSED, strict=True),
    Tool(name="nothing"),
)
OUTPUT = OutputSchema(name="place", schema=CLOSED)
SAMPLING: dict[str, Any] = {
    "temperature": 0.3,
    "top_p": 0.96,
    "max_output_tokens": 5000,
    "stop": ("END", "STOP"),
    "seed": 7,
    "reasoning_effort": "high",
}
CHOOSING: dict[str, Any] = {"tool_choice": "weather", "parallel_tool_calls": False}
MEDIA = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "application/pdf": b"%PDF-1.7",
    "audio/wav": b"RIFF",
    "audio/mpeg": b"ID3",
    "text/plain": b"Some text.",
    "video/mp4": b"....ftyp",
}


def _ask(*parts: Any, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=(Message("user", (Text("Hi"), *parts)),), **fields)


def _checked(kind: str, request: ChatRequest) -> bool:
    """Both bodies are of the vendor's types; False if the wire refuses the request before anything is sent."""
    codec = chat_codec(kind)
    try:
        encoded = [codec.encode(request), codec.encode_stream(request)]
    except UnsupportedFeature:
        return False
    for one in encoded:
        validate(kind, orjson.loads(one.request.body))
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_of_the_vendors_types(kind: str) -> None:
    """Each setting alone, every effort, and all settings at once."""
    for name, value in SAMPLING.items():
        assert _checked(kind, _ask(options=ChatOptions(**{name: value})))
    for effort in ("none", "minimal", "low", "medium", "high"):
        assert _checked(kind, _ask(options=ChatOptions(reasoning_effort=effort)))  # type: ignore[arg-type]
    assert _checked(kind, _ask(options=ChatOptions(**SAMPLING)))


@pytest.mark.parametrize("kind", KINDS)
def test_tools_and_choices_are_of_the_vendors_types(kind: str) -> None:
    """Tools strict and not, every form of the choice, and all of it with all settings."""
    if not _checked(kind, _ask(tools=TOOLS)):
        assert "tools" not in WIRES[kind].profile.tasks
        return
    for choice in ("auto", "none", "required", "weather"):
        _checked(kind, _ask(tools=TOOLS, options=ChatOptions(tool_choice=choice)))
    for parallel in (True, False):
        assert _checked(kind, _ask(tools=TOOLS, options=ChatOptions(parallel_tool_calls=parallel)))
    _checked(kind, _ask(tools=TOOLS, options=ChatOptions(**SAMPLING, **CHOOSING)))


@pytest.mark.parametrize("kind", KINDS)
def test_output_schemas_are_of_the_vendors_types(kind: str) -> None:
    """An output schema, strict and not, alone and with tools and settings."""
    for output in (OUTPUT, replace(OUTPUT, schema=PARAMETERS, strict=False)):
        _checked(kind, _ask(output=output))
        _checked(kind, _ask(output=output, tools=TOOLS, options=ChatOptions(**SAMPLING)))


@pytest.mark.parametrize("kind", KINDS)
def test_media_are_of_the_vendors_types(kind: str) -> None:
    """Media that the profile names, as bytes, by address and as a reference, is of the vendor's types or refused."""
    for media_type, data in MEDIA.items():
        name = f"file.{media_type.partition('/')[2]}"
        url = f"https://files.test/{name}"
        taken = bool({media_type, f"{media_type.partition('/')[0]}/*"} & WIRES[kind].profile.media)
        assert _checked(kind, _ask(Media(media_type=media_type, data=data, filename=name))) == taken, media_type
        _checked(kind, _ask(Media(media_type=media_type, url=url)))
        _checked(kind, _ask(Media(media_type=media_type, file_id="file-9")))


@pytest.mark.parametrize("kind", kinds_with("embed"))
def test_embeddings_are_of_the_vendors_types(kind: str) -> None:
    """Each option of an embedding, and all at once, where an SDK publishes types."""
    codec = bind(kind, "embed").embed
    assert codec is not None
    options: list[dict[str, Any]] = [{}, {"dimensions": 256}]
    options += [{"input_type": name} for name in ("query", "document", "classification", "clustering")]
    options.append({"dimensions": 256, "input_type": "query"})
    for one in options:
        body = orjson.loads(codec.encode(EmbedRequest(texts=("a", "b"), options=EmbedOptions(**one))).request.body)
        if not validate_embed(kind, body):
            pytest.skip("no SDK publishes types of this vendor's embeddings")


@pytest.mark.parametrize("kind", kinds_with("rerank"))
def test_rankings_are_of_the_vendors_types(kind: str) -> None:
    """A ranking with and without `top_n`, where an SDK publishes types."""
    codec = bind(kind, "rerank").rerank
    assert codec is not None
    for options in (RerankOptions(), RerankOptions(top_n=2)):
        request = RerankRequest(query="q", documents=("a", "b", "c"), options=options)
        if not validate_rerank(kind, orjson.loads(codec.encode(request).request.body)):
            pytest.skip("no SDK publishes types of this vendor's rankings")
