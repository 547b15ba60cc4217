"""After: one route with two deployments, in the file. `kind: litellm` there reaches what only LiteLLM does."""

from pathlib import Path

from orchestrator import Orchestrator

CONFIG = Path(__file__).with_name("orchestrator.yaml")


def main() -> None:
    with Orchestrator.from_file(CONFIG) as llm:
        messages = [{"role": "user", "content": "Which plan includes SSO?"}]
        reply = llm.chat("answer", messages)
        print(reply.text)

        with llm.stream("answer", messages) as stream:
            for text in stream.text:
                print(text, end="")
        print()

        print(f"{reply.cost.total:.8f} USD")


if __name__ == "__main__":
    main()
