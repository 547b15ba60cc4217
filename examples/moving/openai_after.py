"""After: the task has a name, and the file says the rest. The messages are taken as they are."""

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
        print(llm.embed("search", "single sign-on").dimensions)


if __name__ == "__main__":
    main()
