"""Before: LiteLLM's router, with two deployments under names of their own and a fallback between them."""

import os

import litellm

MODEL_LIST = [
    {
        "model_name": "answer",
        "litellm_params": {
            "model": "openai/gpt-4o-mini",
            "api_base": os.environ.get("OPENAI_BASE_URL"),
            "temperature": 0.2,
            "rpm": 500,
        },
    },
    {
        "model_name": "answer-backup",
        "litellm_params": {"model": "openai/gpt-4o", "api_base": os.environ.get("OPENAI_BASE_URL")},
    },
]


def main() -> None:
    router = litellm.Router(
        model_list=MODEL_LIST, fallbacks=[{"answer": ["answer-backup"]}], num_retries=3, timeout=30, cooldown_time=15
    )
    messages = [{"role": "user", "content": "Which plan includes SSO?"}]
    reply = router.completion(model="answer", messages=messages)
    print(reply.choices[0].message.content)

    for chunk in router.completion(model="answer", messages=messages, stream=True):
        print(chunk.choices[0].delta.content or "", end="")
    print()

    print(f"{litellm.completion_cost(reply):.8f} USD")


if __name__ == "__main__":
    main()
