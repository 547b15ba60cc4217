"""Pieces of programs with one mistake each. What Python shows of each is in `screens/code-*.txt`.

They run with `llm` (blocking) and `aio` (asyncio) over `CONFIG`, whose routes answer from a script; a piece with
`await` or `async` runs inside a coroutine.
"""

from __future__ import annotations

__all__ = ["CODE", "CONFIG"]

CONFIG = {
    "version": 1,
    "providers": {
        "openai": {"kind": "openai", "api_key": {"env": "TEST_KEY"}},
        "cohere": {"kind": "cohere", "api_key": {"env": "TEST_KEY"}},
    },
    "deployments": {
        "mini": {"provider": "openai", "model": "gpt-4o-mini"},
        "te3": {"provider": "openai", "model": "text-embedding-3-small"},
        "ranker": {"provider": "cohere", "model": "rerank-v3.5"},
    },
    "routes": {
        "answer": {"task": "chat", "pick": "mini"},
        "forecast": {"task": "chat", "pick": "mini"},
        "invoice": {"task": "chat", "pick": "mini"},
        "search": {"task": "embed", "pick": "te3"},
        "rank": {"task": "rerank", "pick": "ranker"},
    },
    "log": {"to": "none"},
}

CLIENTS = {
    "the path to the constructor": 'Orchestrator("orchestrator.yaml")',
    "no configuration": "Orchestrator()",
    "None as configuration": "Orchestrator(None)",
    "a mapping to from_file": "Orchestrator.from_file(CONFIG)",
    "a file that is not there": 'Orchestrator.from_file("orchestratr.yaml")',
    "a mistake in the mapping": 'Orchestrator({"version": 1, "routes": {"answer": "opnai/gpt-4o-mini"}})',
    "a set in the mapping": 'Orchestrator(CONFIG | {"routes": {"answer": {"task": "chat", "pick": {"mini"}}}})',
    "a number as a key of the mapping": 'Orchestrator(CONFIG | {"routes": {1: "mini"}})',
    "a literal key in the mapping": (
        'Orchestrator(CONFIG | {"providers": PROVIDERS | {"openai": {"kind": "openai", "api_key": "sk-hunter2"}}})'
    ),
    "a misspelt argument of the client": "Orchestrator(CONFIG, transprt=None)",
    "an argument of another client": 'Orchestrator(CONFIG, api_key="sk-hunter2hunter2")',
    "sink instead of sinks": "Orchestrator(CONFIG, sinks=print)",
    "a wrong mapping to reload": 'llm.reload({"version": 1})',
    "a closed client": 'llm.close()\nllm.chat("answer", "Hi")',
    "after the with block": 'with Orchestrator(CONFIG) as own:\n    pass\nown.chat("answer", "Hi")',
    "a closed asyncio client": 'await aio.close()\nawait aio.chat("answer", "Hi")',
    "with instead of async with": "with AsyncOrchestrator(CONFIG) as own:\n    pass",
    "async with instead of with": "async with Orchestrator(CONFIG) as own:\n    pass",
    "no await": 'reply = aio.chat("answer", "Hi")\nprint(reply.text)',
    "await of the blocking client": 'reply = await llm.chat("answer", "Hi")',
    "a blocking call in a coroutine": 'await asyncio.sleep(0)\nreply = llm.chat("answer", "Hi")',
    "a blocking stream in a coroutine": (
        'await asyncio.sleep(0)\nwith llm.stream("answer", "Hi") as stream:\n    list(stream)'
    ),
    "attributes of the openai client": 'llm.chat.completions.create(model="gpt-4o-mini", messages=[])',
    "embeddings of the openai client": 'llm.embeddings.create(model="te3", input="Hi")',
    "complete, as others call it": 'llm.complete("answer", "Hi")',
}

ROUTES = {
    "a misspelt route": 'llm.chat("answr", "Hi")',
    "no near route": 'llm.chat("summarise", "Hi")',
    "a model as the route": 'llm.chat("openai/gpt-4o-mini", "Hi")',
    "a deployment as the route": 'llm.chat("mini", "Hi")',
    "the route and the messages swapped": 'llm.chat("Which plan includes SSO?", "answer")',
    "a route of another task": 'llm.chat("search", "Hi")',
    "a chat route to embed": 'llm.embed("answer", "Hi")',
    "a route that is no text": 'llm.chat(5, "Hi")',
    "the messages as the route": 'llm.chat([{"role": "user", "content": "hunter2"}], "answer")',
    "no messages": 'llm.chat("answer")',
    "a misspelt option": 'llm.chat("answer", "Hi", temprature=0.2)',
    "max_tokens": 'llm.chat("answer", "Hi", max_tokens=100)',
    "model": 'llm.chat("answer", "Hi", model="gpt-4o-mini")',
    "stream=True": 'llm.chat("answer", "Hi", stream=True)',
    "timeout": 'llm.chat("answer", "Hi", timeout=30)',
    "system": 'llm.chat("answer", "Hi", system="Be brief.")',
    "response_format": 'llm.chat("answer", "Hi", response_format={"type": "json_object"})',
    "top_k": 'llm.chat("answer", "Hi", top_k=40)',
    "user_id": 'llm.chat("answer", "Hi", user_id="u1")',
    "metadata": 'llm.chat("answer", "Hi", metadata={"feature": "faq"})',
    "an option of chat to embed": 'llm.embed("search", "Hi", temperature=0.2)',
    "input_type by another word": 'llm.embed("search", "Hi", input_type="passage")',
    "a deadline of 0": 'llm.chat("answer", "Hi", deadline=0)',
    "a deadline in words": 'llm.chat("answer", "Hi", deadline="30s")',
    "a negative deadline": 'llm.chat("answer", "Hi", deadline=-1)',
    "a deadline that is a date": 'llm.chat("answer", "Hi", deadline=datetime.now())',
    "negative tokens": 'llm.chat("answer", "Hi", max_output_tokens=-5)',
    "tokens as a float": 'llm.chat("answer", "Hi", max_output_tokens=1e3)',
    "tokens in words": 'llm.chat("answer", "Hi", max_output_tokens="2k")',
    "a temperature in words": 'llm.chat("answer", "Hi", temperature="hot")',
    "a temperature as text": 'llm.chat("answer", "Hi", temperature="0.2")',
    "a temperature out of range": 'llm.chat("answer", "Hi", temperature=20)',
    "a seed as text": 'llm.chat("answer", "Hi", seed="x")',
    "stop with an empty text": 'llm.chat("answer", "Hi", stop=[""])',
    "an effort that is none": 'llm.chat("answer", "Hi", reasoning_effort="extreme")',
    "a tenant that is a number": 'llm.chat("answer", "Hi", tenant=7)',
    "tags as a list": 'llm.chat("answer", "Hi", tags=["faq"])',
    "tags with a number": 'llm.chat("answer", "Hi", tags={"version": 2})',
    "a priority that is none": 'llm.chat("answer", "Hi", priority="urgent")',
    "provider_options without a kind": 'llm.chat("answer", "Hi", provider_options={"top_k": 40})',
    "provider_options of no kind": 'llm.chat("answer", "Hi", provider_options={"opnai": {"top_k": 40}})',
    "a misspelt argument of the context": 'with context(tennant="acme"):\n    pass',
    "a deadline of 0 in the context": "with context(deadline=0):\n    pass",
}

MESSAGES = {
    "an empty text": 'llm.chat("answer", "")',
    "an empty list": 'llm.chat("answer", [])',
    "None": 'llm.chat("answer", None)',
    "bytes": 'llm.chat("answer", b"hunter2")',
    "a list of texts": 'llm.chat("answer", ["Hi", "hunter2"])',
    "a generator": 'llm.chat("answer", ({"role": "user", "content": "hunter2"} for _ in range(1)))',
    "a mapping without a role": 'llm.chat("answer", {"prompt": "hunter2"})',
    "a role of other libraries": 'llm.chat("answer", [{"role": "human", "content": "hunter2"}])',
    "a role with a capital": 'llm.chat("answer", [{"role": "User", "content": "hunter2"}])',
    "no content": 'llm.chat("answer", [{"role": "user"}])',
    "text instead of content": 'llm.chat("answer", [{"role": "user", "text": "hunter2"}])',
    "content that is a number": 'llm.chat("answer", [{"role": "user", "content": 5}])',
    "content that is a mapping": 'llm.chat("answer", [{"role": "user", "content": {"text": "hunter2"}}])',
    "only a system message": 'llm.chat("answer", [{"role": "system", "content": "hunter2"}])',
    "a part of the Responses API": (
        'llm.chat("answer", [{"role": "user", "content": [{"type": "input_text", "text": "hunter2"}]}])'
    ),
    "an image as Anthropic has it": (
        'llm.chat("answer", [{"role": "user", "content": [{"type": "image", "source": {"data": "hunter2"}}]}])'
    ),
    "a picture by its path": (
        'llm.chat("answer", [Message("user", (Text("Hi"), Media(media_type="image/png", url="cat.png")))])'
    ),
    "a picture of two sources": (
        'llm.chat("answer", [Message("user", (Media(media_type="image/png", url="https://x/y", data=b"1"),))])'
    ),
    "bytes as base64": 'llm.chat("answer", [Message("user", (Media(media_type="image/png", data="aGk="),))])',
    "a media type that is none": 'llm.chat("answer", [Message("user", (Media(media_type="png", data=b"1"),))])',
    "a text as parts": 'llm.chat("answer", [Message("user", "hunter2")])',
    "content= of a Message": 'Message(role="user", content="hunter2")',
    "the reply as a message": 'reply = llm.chat("answer", "Hi")\nllm.chat("answer", [reply])',
    "a question in a reply's place": 'llm.chat("answer", ("user", "hunter2"))',
    "an empty list to embed": 'llm.embed("search", [])',
    "an empty text to embed": 'llm.embed("search", ["Hi", ""])',
    "numbers to embed": 'llm.embed("search", [1, 2])',
    "None to embed": 'llm.embed("search", None)',
    "lists to embed": 'llm.embed("search", [["Hi"]])',
    "rerank by position": 'llm.rerank("rank", "sso", ["billing"])',
    "no documents": 'llm.rerank("rank", query="sso", documents=[])',
    "documents as mappings": 'llm.rerank("rank", query="sso", documents=[{"text": "hunter2"}])',
    "documents as one text": 'llm.rerank("rank", query="sso", documents="billing")',
    "an empty query": 'llm.rerank("rank", query="", documents=["billing"])',
    "top_n of 0": 'llm.rerank("rank", query="sso", documents=["billing"], top_n=0)',
}

REPLIES = {
    "choices, as OpenAI has them": 'llm.chat("answer", "Hi").choices[0].message.content',
    "content": 'llm.chat("answer", "Hi").content',
    "message.content": 'llm.chat("answer", "Hi").message.content',
    "a reply as a mapping": 'llm.chat("answer", "Hi")["text"]',
    "prompt_tokens": 'llm.chat("answer", "Hi").usage.prompt_tokens',
    "cost as a number": 'llm.chat("answer", "Hi").cost > 0.01',
    "model of the reply as OpenAI names it": 'llm.chat("answer", "Hi").id',
    "data of embeddings": 'llm.embed("search", "Hi").data[0].embedding',
    "embeddings": 'llm.embed("search", "Hi").embeddings',
    "a document of the ranking": 'llm.rerank("rank", query="sso", documents=["billing"]).results[0].document',
    "relevance_score": 'llm.rerank("rank", query="sso", documents=["billing"]).results[0].relevance_score',
    "arguments parsed twice": (
        'call = llm.chat("forecast", "Rain?", tools=[FORECAST]).tool_calls[0]\njson.loads(call.arguments)'
    ),
    "function.name, as OpenAI has it": (
        'call = llm.chat("forecast", "Rain?", tools=[FORECAST]).tool_calls[0]\ncall.function.name'
    ),
}

STREAMS = {
    "no with": 'for text in llm.stream("answer", "Hi").text:\n    print(text)',
    "events without with": 'for event in llm.stream("answer", "Hi"):\n    print(event)',
    "no async with": 'async for text in aio.stream("answer", "Hi").text:\n    print(text)',
    "await of a stream": 'stream = await aio.stream("answer", "Hi")',
    "with on an asyncio stream": 'with aio.stream("answer", "Hi") as stream:\n    pass',
    "async with on a blocking stream": 'async with llm.stream("answer", "Hi") as stream:\n    pass',
    "for on an asyncio stream": (
        'async with aio.stream("answer", "Hi") as stream:\n    for event in stream:\n        print(event)'
    ),
    "for on an asyncio stream's text": (
        'async with aio.stream("answer", "Hi") as stream:\n    for text in stream.text:\n        print(text)'
    ),
    "async for on a blocking stream": (
        'with llm.stream("answer", "Hi") as stream:\n    async for event in stream:\n        print(event)'
    ),
    "await of the text": ('async with aio.stream("answer", "Hi") as stream:\n    print(await stream.text)'),
    "for over an asyncio stream that is not entered": 'for text in aio.stream("answer", "Hi"):\n    print(text)',
    "a generator that outlives the block": (
        'def texts():\n    with llm.stream("answer", "Hi") as stream:\n        return stream.text\n\nlist(texts())'
    ),
    "the reply of an asyncio stream, awaited": (
        'async with aio.stream("answer", "Hi") as stream:\n'
        "    async for _ in stream:\n"
        "        pass\n"
        "print(await stream.reply)"
    ),
    "next of a stream": 'with llm.stream("answer", "Hi") as stream:\n    next(stream)',
    "text as a method": 'with llm.stream("answer", "Hi") as stream:\n    list(stream.text())',
    "the reply before the end": 'with llm.stream("answer", "Hi") as stream:\n    print(stream.reply.text)',
    "the reply after a break": (
        'with llm.stream("answer", "Hi") as stream:\n    for text in stream.text:\n        break\nprint(stream.reply)'
    ),
    "the reply of a stream never entered": 'print(llm.stream("answer", "Hi").reply)',
    "read after the block": 'with llm.stream("answer", "Hi") as stream:\n    pass\nlist(stream)',
    "entered twice": (
        'stream = llm.stream("answer", "Hi")\nwith stream:\n    list(stream)\nwith stream:\n    list(stream)'
    ),
    "chunks as OpenAI has them": (
        'with llm.stream("answer", "Hi") as stream:\n    for chunk in stream:\n        print(chunk.choices[0].delta)'
    ),
    "text of every event": (
        'with llm.stream("answer", "Hi") as stream:\n    for event in stream:\n        print(event.text)'
    ),
    "a wrong route": 'with llm.stream("answr", "Hi") as stream:\n    pass',
    "a stream of an embed route": 'llm.stream("search", "Hi")',
    "the client closed under it": 'with llm.stream("answer", "Hi") as stream:\n    llm.close()\n    list(stream)',
}

TOOLS = {
    "a function as a tool": 'def forecast(city): ...\nllm.chat("answer", "Rain?", tools=[forecast])',
    "one tool, no list": 'llm.chat("answer", "Rain?", tools=FORECAST)',
    "a tool as a mapping, no list": 'llm.chat("answer", "Rain?", tools={"name": "forecast"})',
    "a tool's name alone": 'llm.chat("answer", "Rain?", tools=["forecast"])',
    "a tool without a name": 'llm.chat("answer", "Rain?", tools=[{"type": "function", "function": {}}])',
    "a name with a space": 'llm.chat("answer", "Rain?", tools=[Tool(name="the forecast")])',
    "a tool of Anthropic": (
        'llm.chat("answer", "Rain?", tools=[{"name": "forecast", "input_schema": {"type": "object"}}])'
    ),
    "parameters as text": 'llm.chat("answer", "Rain?", tools=[Tool(name="forecast", parameters="city: str")])',
    "parameters as a pydantic model": 'llm.chat("answer", "Rain?", tools=[Tool(name="forecast", parameters=Invoice)])',
    "parameters that are no schema": (
        'llm.chat("answer", "Rain?", tools=[Tool(name="forecast", parameters={"city": "string"})])'
    ),
    "parameters of a text": (
        'llm.chat("answer", "Rain?", tools=[Tool(name="forecast", parameters={"type": "string"})])'
    ),
    "two tools of one name": 'llm.chat("answer", "Rain?", tools=[FORECAST, FORECAST])',
    "a choice that is no tool": 'llm.chat("answer", "Rain?", tools=[FORECAST], tool_choice="forcast")',
    "a choice as OpenAI has it": (
        'llm.chat("answer", "Rain?", tools=[FORECAST], tool_choice={"type": "function", "function": {"name": "x"}})'
    ),
    "a choice by another word": 'llm.chat("answer", "Rain?", tools=[FORECAST], tool_choice="any")',
    "a choice without tools": 'llm.chat("answer", "Rain?", tool_choice="auto")',
    "a result without its call": 'llm.chat("answer", [ASK, Message("tool", (ToolResult(id="1", content="12 mm"),))])',
    "the call without a result": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\nllm.chat("answer", [ASK, reply.message, ASK])'
    ),
    "the result in a user message": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\n'
        'done = ToolResult(id=reply.tool_calls[0].id, content="12 mm")\n'
        'llm.chat("answer", [ASK, reply.message, Message("user", (done,))])'
    ),
    "a result as a mapping": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\n'
        'done = ToolResult(id=reply.tool_calls[0].id, content={"rain": "hunter2"})\n'
        'llm.chat("answer", [ASK, reply.message, Message("tool", (done,))])'
    ),
    "the tool's name as the result's id": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\n'
        'done = ToolResult(id="forecast", content="12 mm")\n'
        'llm.chat("answer", [ASK, reply.message, Message("tool", (done,))])'
    ),
    "a result twice": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\n'
        'done = Message("tool", (ToolResult(id=reply.tool_calls[0].id, content="12 mm"),))\n'
        'llm.chat("answer", [ASK, reply.message, done, done])'
    ),
    "a loop that appends the reply": (
        'history = [ASK]\nfor _ in range(2):\n    history.append(llm.chat("answer", history))'
    ),
    "a loop that appends the text": (
        'history = [ASK]\nfor _ in range(2):\n    history.append(llm.chat("answer", history).text)'
    ),
    "the calls as messages": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\nllm.chat("answer", [ASK, *reply.tool_calls])'
    ),
    "a result by position": 'ToolResult("1", "12 mm")',
    "a tool message without its id": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\n'
        'llm.chat("answer", [ASK, reply.message, {"role": "tool", "content": "hunter2"}])'
    ),
    "the result before the reply": (
        'reply = llm.chat("forecast", "Rain?", tools=[FORECAST])\n'
        'done = ToolResult(id=reply.tool_calls[0].id, content="12 mm")\n'
        'llm.chat("answer", [ASK, Message("tool", (done,)), reply.message])'
    ),
}

OUTPUT = {
    "an instance of the model": 'llm.chat("invoice", "Read it.", output=Invoice(number="1", total=2))',
    "the model's name": 'llm.chat("invoice", "Read it.", output="Invoice")',
    "json": 'llm.chat("invoice", "Read it.", output="json")',
    "dict": 'llm.chat("invoice", "Read it.", output=dict)',
    "a list of a model": 'llm.chat("invoice", "Read it.", output=list[Invoice])',
    "a dataclass": ("@dataclass\nclass Paid:\n    total: float\n\n" + 'llm.chat("invoice", "Read it.", output=Paid)'),
    "a schema that is none": 'llm.chat("invoice", "Read it.", output={"number": "string"})',
    "a schema of an unknown type": 'llm.chat("invoice", "Read it.", output={"type": "strng"})',
    "a schema that JSON cannot hold": 'llm.chat("invoice", "Read it.", output={"type": Invoice})',
    "a model with a field that has no schema": (
        "class Job(BaseModel):\n    run: Callable[[], None]\n\n" + 'llm.chat("invoice", "Read it.", output=Job)'
    ),
    "an answer that does not fit": 'llm.chat("answer", "Read it.", output=Invoice)',
    "an answer without a field": 'llm.chat("invoice", "Read it.", output=Order)',
    "the output of a stream before its end": (
        'with llm.stream("invoice", "Read it.", output=Invoice) as stream:\n    print(stream.reply.output)'
    ),
    "an answer in a stream that does not fit": (
        'with llm.stream("answer", "Read it.", output=Invoice) as stream:\n    list(stream)\nstream.reply.output'
    ),
}

CODE: dict[str, dict[str, str]] = {
    "clients": CLIENTS,
    "routes": ROUTES,
    "messages": MESSAGES,
    "replies": REPLIES,
    "streams": STREAMS,
    "tools": TOOLS,
    "output": OUTPUT,
}
