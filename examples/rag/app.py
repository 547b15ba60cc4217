"""Answers from documents: embed and rerank find the passages, chat answers from them.

OPENAI_API_KEY=... python app.py "How do I turn on single sign-on?"
python offline.py                                   # the chat simulated, the search real: no key, no network

orchestrator.yaml searches in this process (`pip install 'model-orchestrator[local]'`); vendors.yaml has the same routes
at vendors. The application is the same.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator import Message, Orchestrator, Text

HERE = Path(__file__).parent
FOUND, READ = 6, 2

INSTRUCTIONS = "Answer from the numbered passages alone, and name the number. If they do not say, say so."


@dataclass(frozen=True)
class Index:
    """Passages with their vectors. `space` tells which model made them: vectors of another one do not compare."""

    space: str
    passages: list[str]
    vectors: list[list[float]]


def build(llm: Orchestrator, passages: list[str]) -> Index:
    reply = llm.embed("search", passages, input_type="document")
    return Index(reply.space, passages, reply.vectors)


def nearest(llm: Orchestrator, index: Index, question: str) -> list[str]:
    reply = llm.embed("search", question, input_type="query")
    if reply.space != index.space:
        raise RuntimeError(f"the index is of {index.space}, the question of {reply.space}: build the index again")
    (wanted,) = reply.vectors
    scores = [sum(a * b for a, b in zip(wanted, vector, strict=True)) for vector in index.vectors]
    best = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
    return [index.passages[place] for place in best[:FOUND]]


def answer(llm: Orchestrator, index: Index, question: str) -> str:
    found = nearest(llm, index, question)
    ranked = llm.rerank("rank", query=question, documents=found, top_n=READ)
    passages = [f"[{number}] {found[item.index]}" for number, item in enumerate(ranked.results, 1)]
    prompt = "\n\n".join([*passages, f"Question: {question}"])
    return llm.chat("answer", [Message("system", (Text(INSTRUCTIONS),)), Message("user", (Text(prompt),))]).text


def main(question: str, config: Path = HERE / "orchestrator.yaml") -> None:
    passages = (HERE / "handbook.txt").read_text().split("\n\n")
    with Orchestrator.from_file(config) as llm:
        print(answer(llm, build(llm, passages), question))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "How do I turn on single sign-on?")
