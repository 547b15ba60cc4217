"""Before: the openai package. Which model, how often to try again, and what it costs, are all in the code."""

import os
import time

import openai
from openai.types.chat import ChatCompletion, ChatCompletionUserMessageParam

MODEL = "gpt-4o-mini"
USD_PER_MILLION_INPUT, USD_PER_MILLION_OUTPUT = 0.15, 0.60


def ask(client: openai.OpenAI, messages: list[ChatCompletionUserMessageParam]) -> ChatCompletion:
    for attempt in range(3):
        try:
            return client.chat.completions.create(model=MODEL, messages=messages, temperature=0.2)
        except (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError):
            time.sleep(2**attempt)
    return client.chat.completions.create(model=MODEL, messages=messages, temperature=0.2)


def main() -> None:
    client = openai.OpenAI(base_url=os.environ.get("OPENAI_BASE_URL"), timeout=30, max_retries=0)
    messages = [ChatCompletionUserMessageParam(role="user", content="Which plan includes SSO?")]
    reply = ask(client, messages)
    print(reply.choices[0].message.content)

    stream = client.chat.completions.create(
        model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            print(chunk.choices[0].delta.content, end="")
    print()

    usage = reply.usage
    assert usage is not None
    cost = usage.prompt_tokens * USD_PER_MILLION_INPUT + usage.completion_tokens * USD_PER_MILLION_OUTPUT
    print(f"{cost / 1e6:.8f} USD")
    print(len(client.embeddings.create(model="text-embedding-3-small", input=["single sign-on"]).data[0].embedding))


if __name__ == "__main__":
    main()
