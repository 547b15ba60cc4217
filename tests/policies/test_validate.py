"""From what an application passes to a checked request: every shape that is read, every mistake by name."""

from __future__ import annotations

import base64
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.arguments import chat_request, embed_request, rerank_request
from orchestrator.errors import InvalidRequest, OrchestratorError
from orchestrator.policies.validate import messages, texts, tools
from orchestrator.types.chat import ChatOptions, Media, Message, Reasoning, Text, Tool, ToolCall, ToolResult

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
ASKS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
KNOWN = "known roles: system, user, assistant, tool"


def user(*parts):
    return [Message("user", parts)]


def content(*parts):
    return [{"role": "user", "content": list(parts)}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "messages: the text is empty"),
        ([], "messages: the list is empty; expected at least one message"),
        (None, "messages: expected a text or a list of messages, found NoneType"),
        (5, "messages: expected a text or a list of messages, found int"),
        (b"hi", "messages: expected a text or a list of messages, found bytes"),
        ({USER["role"]}, "messages: expected a text or a list of messages, found set"),
        (["hi"], "messages[0]: expected a Message or a mapping, found str; such as {'role': 'user', 'content': …}"),
        (
            [USER, None],
            ("messages[1]: expected a Message or a mapping, found NoneType; such as {'role': 'user', 'content': …}"),
        ),
        ([{"role": "system", "content": "be kind"}], "messages: only system messages; nothing to answer"),
        ([{"content": "hi"}], "messages[0].role: it is missing; a message reads {'role': 'user', 'content': …}"),
        ([{"role": "bot", "content": "hi"}], "messages[0].role: found 'bot'; did you mean 'assistant'?"),
        ([{"role": ["user"], "content": "hi"}], f"messages[0].role: found list; {KNOWN}, developer"),
        ([{"role": "What is SSO?", "content": "user"}], f"messages[0].role: found str; {KNOWN}, developer"),
        (
            [USER | {"contents": "x"}],
            ("messages[0]: unknown key 'contents'; known keys: content, name, refusal, role, tool_call_id, tool_calls"),
        ),
        ([USER | {"tool_calls": [CALL]}], "messages[0].tool_calls: not in a message of the role user"),
        ([USER | {"tool_call_id": "c1"}], "messages[0].tool_call_id: not in a message of the role user"),
        ([{"role": "system", "refusal": "no"}], "messages[0].refusal: not in a message of the role system"),
        ([{"role": "user", "content": ""}], "messages[0]: the user message is empty"),
        ([{"role": "assistant", "content": None}], "messages[0]: the assistant message is empty"),
        ([{"role": "user"}], "messages[0]: the user message is empty"),
        ([{"role": "user", "content": []}], "messages[0]: the user message is empty"),
        ([{"role": "user", "content": 5}], "messages[0].content: expected text or a list, found int"),
        ([{"role": "user", "content": b"hi"}], "messages[0].content: expected text or a list, found bytes"),
        (content("hi"), "messages[0].content[0]: expected a part or a mapping, found str"),
        (
            content({"type": "video"}),
            (
                "messages[0].content[0].type: found 'video'; known types: image_url, input_audio, refusal,"
                " text, or parts such as Media(…)"
            ),
        ),
        (
            content({"text": "hi"}),
            (
                "messages[0].content[0].type: found NoneType; known types: image_url, input_audio, refusal,"
                " text, or parts such as Media(…)"
            ),
        ),
        (content({"type": "text"}), "messages[0].content[0].text: expected text"),
        (content({"type": "refusal"}), "messages[0].content[0].refusal: expected text"),
        (content({"type": "image_url"}), "messages[0].content[0].image_url.url: expected a URL"),
        (
            content({"type": "image_url", "image_url": {"url": ""}}),
            "messages[0].content[0].image_url.url: expected a URL",
        ),
        (
            content({"type": "image_url", "image_url": "ftp://x/y.png"}),
            "messages[0].parts[0].url: expected an http or https URL; pass bytes as data=",
        ),
        (
            content({"type": "image_url", "image_url": "data:image/png,abc"}),
            "messages[0].content[0].image_url.url: a data URL reads data:<media type>;base64,<data>",
        ),
        (
            content({"type": "image_url", "image_url": "data:image/png;base64,@@@"}),
            "messages[0].content[0].image_url.url: not valid base64",
        ),
        (content({"type": "input_audio"}), "messages[0].content[0].input_audio.data: expected base64 text"),
        (
            content({"type": "input_audio", "input_audio": {"data": "é"}}),
            "messages[0].content[0].input_audio.data: not valid base64",
        ),
        (
            [{"role": "assistant", "tool_calls": {"id": 1}}],
            "messages[0].tool_calls: expected a list, found dict",
        ),
        (
            [{"role": "assistant", "tool_calls": [5]}],
            "messages[0].tool_calls[0]: expected id and function with name and arguments",
        ),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}],
            "messages[0].tool_calls[0].id: expected the call's id",
        ),
        (
            [{"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": "{"}}]}],
            "messages[0].tool_calls[0].function.arguments: expected a JSON object",
        ),
        (
            [{"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": "[1]"}}]}],
            "messages[0].tool_calls[0].function.arguments: expected a JSON object",
        ),
        (
            [{"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": {"d": {1}}}}]}],
            "messages[0].parts[0].arguments: it holds what JSON cannot",
        ),
        (
            [{"role": "tool", "content": "x"}],
            "messages[0].tool_call_id: a tool message names the call it answers",
        ),
        (
            [ASKS, {"role": "tool", "tool_call_id": "c1", "content": [ToolCall(id="x", name="f")]}],
            "messages[1].content: a tool result holds text and media only",
        ),
        (
            [USER, {"role": "tool", "tool_call_id": "c9", "content": "x"}],
            "messages[1]: tool result 'c9' has no call before it; the reply's message goes before it",
        ),
        (
            [ASKS, *[{"role": "tool", "tool_call_id": "c1", "content": "x"}] * 2],
            "messages[2]: tool result 'c1' is there twice",
        ),
        (Message("bot", (Text("x"),)), f"messages[0].role: found 'bot'; {KNOWN}"),
        (Message(["user"], (Text("x"),)), f"messages[0].role: found list; {KNOWN}"),
        (Message("user", ()), "messages[0]: the user message is empty"),
        (Message("user", None), "messages[0]: the user message is empty"),
        (Message("user", (Text(""), Text(""))), "messages[0]: the user message is empty"),
        (Message("user", "hi"), "messages[0].parts: expected parts such as (Text(…),), found a text alone"),
        (user(Text(None)), "messages[0].parts[0].text: expected text, found NoneType"),
        (
            user(ToolCall(id="c", name="f")),
            ("messages[0].parts[0]: a user message cannot hold ToolCall; it goes into a message of the role assistant"),
        ),
        (
            user(Reasoning("x")),
            (
                "messages[0].parts[0]: a user message cannot hold Reasoning; it goes into a message of the role"
                " assistant"
            ),
        ),
        (
            [USER, Message("system", (Media(media_type="image/png", data=b"x"),))],
            ("messages[1].parts[0]: a system message cannot hold Media; it goes into a message of the role user"),
        ),
        (user(Media(media_type="image/png")), "messages[0].parts[0]: Media takes exactly one of url, data and file_id"),
        (
            user(Media(media_type="image/png", data=b"x", url="https://x")),
            "messages[0].parts[0]: Media takes exactly one of url, data and file_id",
        ),
        (
            user(Media(media_type="png", data=b"x")),
            "messages[0].parts[0].media_type: expected a type such as image/png, found 'png'",
        ),
        (
            user(Media(media_type="image/png\r\nx: y", data=b"x")),
            "messages[0].parts[0].media_type: expected a type such as image/png, found str",
        ),
        (
            user(Media(media_type=None, data=b"x")),
            "messages[0].parts[0].media_type: expected a type such as image/png, found NoneType",
        ),
        (
            user(Media(media_type="image/png", data="x")),
            "messages[0].parts[0].data: expected bytes, found str; base64.b64decode makes bytes of base64",
        ),
        (
            user(Media(media_type="image/png", url="file:///etc/passwd")),
            "messages[0].parts[0].url: expected an http or https URL; pass bytes as data=",
        ),
        (
            [Message("assistant", (ToolCall(id="c", name="f", arguments="{}"),))],
            "messages[0].parts[0].arguments: expected a JSON object, found str",
        ),
        (
            [ASKS, Message("tool", (ToolResult(id="c1", content=7),))],
            "messages[1].parts[0].content: expected text or parts, found int; json.dumps makes text of it",
        ),
        (
            [ASKS, Message("tool", (ToolResult(id="c1", content=("x",)),))],
            "messages[1].parts[0].content[0]: a tool result cannot hold str",
        ),
        (
            [ASKS, Message("tool", (ToolResult(id="c1", content=(Media(media_type="x/y"),)),))],
            "messages[1].parts[0].content[0]: Media takes exactly one of url, data and file_id",
        ),
    ],
)
def test_bad_messages(given, expected):
    """Each mistake is an InvalidRequest that names what and where, in exactly these words."""
    with pytest.raises(InvalidRequest) as caught:
        messages(given)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tools": 5}, "tools: expected a list, found int"),
        ({"tools": {"name": "f"}}, "tools: expected a list, found dict"),
        ({"tools": ["f"]}, "tools[0]: expected Tool(name=…, description=…, parameters=…) or a mapping, found str"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].name: expected the tool's name"),
        ({"tools": [Tool(name="")]}, "tools[0].name: expected the tool's name"),
        ({"tools": [{"function": 5}]}, "tools[0].function: expected name, description and parameters"),
        ({"tools": [{"name": "f", "parameters": [1]}]}, "tools[0].parameters: expected a JSON object, found list"),
        ({"tools": [Tool(name="f", parameters={"x": {1}})]}, "tools[0].parameters: it holds what JSON cannot"),
        ({"tools": [Tool(name="f"), {"name": "f"}]}, "tools: 'f' is there twice"),
        ({"temperature": 2.1}, "temperature: expected a number from 0 to 2, found 2.1"),
        ({"temperature": float("nan")}, "temperature: expected a number from 0 to 2, found nan"),
        ({"temperature": "0"}, "temperature: expected a number from 0 to 2, found str"),
        ({"top_p": True}, "top_p: expected a number from 0 to 1, found True"),
        ({"max_output_tokens": 0}, "max_output_tokens: expected a whole number, at least 1, found 0"),
        ({"max_output_tokens": "10"}, "max_output_tokens: expected a whole number, at least 1, found str"),
        ({"max_output_tokens": 1.5}, "max_output_tokens: expected a whole number, at least 1, found 1.5"),
        ({"seed": 1.5}, "seed: expected a whole number, found float"),
        ({"stop": 5}, "stop: expected a text or a list of texts, none of them empty"),
        ({"stop": ["a", ""]}, "stop: expected a text or a list of texts, none of them empty"),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls: expected True or False"),
        (
            {"reasoning_effort": "huge"},
            "reasoning_effort: expected one of none, minimal, low, medium, high, found 'huge'",
        ),
        (
            {"reasoning_effort": ["low"]},
            "reasoning_effort: expected one of none, minimal, low, medium, high, found list",
        ),
        ({"tool_choice": "f"}, "tool_choice: there are no tools to choose from"),
        ({"tool_choice": "g", "tools": [Tool(name="f")]}, "tool_choice: no tool has that name; tools: f"),
        (
            {"tool_choice": {"type": "function"}, "tools": [Tool(name="f")]},
            "tool_choice: expected auto, none, required or the name of a tool, found dict",
        ),
        ({"provider_options": ["x"]}, "provider_options: expected mappings by provider kind, such as {'openai': {…}}"),
        (
            {"provider_options": {"openai": 5}},
            "provider_options: expected mappings by provider kind, such as {'openai': {…}}",
        ),
    ],
)
def test_bad_options(given, expected):
    """Options and tools are checked before anything is sent, by name."""
    with pytest.raises(InvalidRequest) as caught:
        chat_request("hi", None, dict(given))
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: embed_request([], {}), "texts: empty"),
        (lambda: embed_request("", {}), "texts[0]: the text is empty"),
        (lambda: embed_request(["a", ""], {}), "texts[1]: the text is empty"),
        (lambda: embed_request(["a", 5], {}), "texts[1]: expected text, found int"),
        (lambda: embed_request(b"a", {}), "texts: expected a list of texts, found bytes"),
        (lambda: embed_request({"a": 1}, {}), "texts: expected a list of texts, found dict"),
        (lambda: embed_request({"a", "b"}, {}), "texts: expected a list of texts, found set"),
        (lambda: embed_request(5, {}), "texts: expected a list of texts, found int"),
        (lambda: embed_request("a", {"dimensions": 0}), "dimensions: expected a whole number, at least 1, found 0"),
        (lambda: embed_request("a", {"dimensions": "8"}), "dimensions: expected a whole number, at least 1, found str"),
        (
            lambda: embed_request("a", {"input_type": "qurey"}),
            "input_type: expected one of query, document, classification, clustering, found 'qurey'",
        ),
        (lambda: rerank_request("", ["a"], {}), "query: expected a text that is not empty"),
        (lambda: rerank_request("q", [], {}), "documents: empty"),
        (lambda: rerank_request("q", ["a"], {"top_n": 0}), "top_n: expected a whole number, at least 1, found 0"),
        (
            lambda: rerank_request("q", ["a"], {"provider_options": 5}),
            "provider_options: expected mappings by provider kind, such as {'openai': {…}}",
        ),
    ],
)
def test_bad_retrieval(call, expected):
    """Texts, queries and documents are checked the same way; unordered ones would mix up the answers."""
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert str(caught.value) == expected


OF_EMBED = "deadline, dimensions, input_type, priority, provider_options, tags, tenant, user"


@pytest.mark.parametrize(
    ("call", "name", "expected"),
    [
        (lambda given: chat_request("hi", None, given), "temprature", "'temprature'; did you mean 'temperature'?"),
        (lambda given: chat_request("hi", None, given), "tool", "'tool'; did you mean 'tools'?"),
        (lambda given: embed_request("hi", given), "tool", f"'tool'; known: {OF_EMBED}"),
        (lambda given: rerank_request("q", ["d"], given), "top", "'top'; did you mean 'top_n'?"),
        (lambda given: embed_request("hi", given), "__class__", f"'__class__'; known: {OF_EMBED}"),
    ],
)
def test_unknown_keywords(call, name, expected):
    """A keyword that does not exist is a TypeError, as for any function, with the nearest that does."""
    with pytest.raises(TypeError) as caught:
        call({name: 1})
    assert str(caught.value).partition("got an unexpected keyword argument ")[2] == expected


PNG = Media(media_type="image/png", data=b"\x89PNG")
DATA_URL = "data:image/png;base64," + base64.b64encode(PNG.data).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hi", [Message("user", (Text("hi"),))]),
        (USER, [Message("user", (Text("hi"),))]),
        (Message("user", (Text("hi"),)), [Message("user", (Text("hi"),))]),
        (
            ({"role": "developer", "content": "be kind"}, USER),
            [Message("system", (Text("be kind"),)), Message("user", (Text("hi"),))],
        ),
        (
            content({"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "https://x/y"}}, PNG),
            user(Text("see"), Media(media_type="image/*", url="https://x/y"), PNG),
        ),
        (content({"type": "image_url", "image_url": DATA_URL}), user(PNG)),
        (
            content({"type": "image_url", "image_url": {"url": "HTTPS://x", "detail": "low"}}),
            user(Media(media_type="image/*", url="HTTPS://x", provider_metadata={"openai": {"detail": "low"}})),
        ),
        (
            content({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}),
            user(Media(media_type="audio/mp3", data=b"\0\0\0")),
        ),
        (
            content({"type": "input_audio", "input_audio": {"data": "AAAA"}}),
            user(Media(media_type="audio/wav", data=b"\0\0\0")),
        ),
        (
            [USER, {"role": "assistant", "content": "", "refusal": "I cannot", "annotations": [], "audio": None}],
            [Message("user", (Text("hi"),)), Message("assistant", (Text("I cannot"),))],
        ),
        (
            [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
            [Message("user", (Text("hi"),)), Message("assistant", (Text("no"),))],
        ),
        (
            [ASKS, {"role": "tool", "tool_call_id": "c1", "content": "42", "name": "f", "tool_calls": None}],
            [
                Message("assistant", (ToolCall(id="c1", name="f", arguments={"a": 1}),)),
                Message("tool", (ToolResult(id="c1", content="42", name="f"),)),
            ],
        ),
        (
            [
                {"role": "assistant", "content": "well", "tool_calls": [ToolCall(id="c1", name="f")]},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}, PNG]},
            ],
            [
                Message("assistant", (Text("well"), ToolCall(id="c1", name="f"))),
                Message("tool", (ToolResult(id="c1", content=(Text("a"), PNG)),)),
            ],
        ),
        (
            [
                {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}, Text("b")]},
            ],
            [
                Message("assistant", (ToolCall(id="c1", name="f"),)),
                Message("tool", (ToolResult(id="c1", content="ab"),)),
            ],
        ),
        (
            [Message("assistant", (Reasoning("hm"), Text("x"))), USER],
            [Message("assistant", (Reasoning("hm"), Text("x"))), Message("user", (Text("hi"),))],
        ),
        (
            [ASKS, Message("tool", (ToolResult(id="c1", content=(Text("a"),)),))],
            [
                Message("assistant", (ToolCall(id="c1", name="f", arguments={"a": 1}),)),
                Message("tool", (ToolResult(id="c1", content=(Text("a"),)),)),
            ],
        ),
    ],
)
def test_good_messages(given, expected):
    """Every accepted shape becomes the same few values, and nothing in it is lost."""
    assert list(messages(given)) == list(expected)


def test_good_tools():
    """Tools come as values, or as mappings in either of the common forms."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = tools(
        [
            Tool(name="a", description="d"),
            {"type": "function", "function": {"name": "b", "parameters": schema, "strict": True}},
            {"name": "c", "description": None},
        ]
    )
    assert found == (Tool(name="a", description="d"), Tool(name="b", parameters=schema, strict=True), Tool(name="c"))
    assert tools(None) == ()
    assert tools(tool for tool in [Tool(name="a")]) == (Tool(name="a"),)


def test_good_options():
    """Options pass as they are, a single stop text as a tuple."""
    given = {"temperature": 0, "top_p": 1.0, "seed": -1, "stop": "x", "tool_choice": "f", "tools": [Tool(name="f")]}
    request, expected = chat_request("hi", None, given | {"provider_options": {"openai": {"n": 1}}})
    assert request.options == ChatOptions(
        temperature=0, top_p=1.0, seed=-1, stop=("x",), tool_choice="f", provider_options={"openai": {"n": 1}}
    )
    assert expected is None
    assert chat_request("hi", None, {"stop": ["a", "b"]})[0].options.stop == ("a", "b")
    assert chat_request("hi", None, {})[0].options == ChatOptions()


def test_good_texts():
    """One text or any ordered series of them."""
    assert texts("texts", "a") == ("a",)
    assert texts("texts", (text for text in ("a", "b"))) == ("a", "b")
    assert embed_request(["a"], {"input_type": "query", "dimensions": 8}).options.dimensions == 8
    assert rerank_request("q", ("a", "b"), {"top_n": 1}).options.top_n == 1


MARK = "xq7 secret marker 7qx"
LEAVES = st.sampled_from([MARK, MARK.encode(), [MARK], {MARK: MARK}, {"url": MARK}, {"name": MARK}, None, 5, date.min])
KEYS = st.sampled_from(
    ["role", "content", "type", "text", "image_url", "url", "input_audio", "data", "format", "tool_calls", "id",
     "function", "name", "arguments", "tool_call_id", "refusal", MARK]
)  # fmt: skip
VALUES = st.recursive(
    LEAVES | st.sampled_from(["user", "assistant", "tool", "text", "image_url", "input_audio", "data:" + MARK, "c1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=6) | VALUES, max_size=3) | VALUES)
def test_content_is_never_quoted(history):
    """Whatever is wrong with whatever history: the error is ours, and neither it nor its causes hold any content."""
    try:
        messages(history)
    except OrchestratorError as error:
        seen = error
        while seen is not None:
            assert MARK not in str(seen)
            assert MARK not in repr(getattr(seen, "doc", ""))
            seen = seen.__cause__ or seen.__context__
