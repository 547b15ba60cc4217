"""Turns a letter into a checked value.

OPENAI_API_KEY=... python app.py < letter.txt
python offline.py                                   # the same with a simulated vendor: no key, no network
"""

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel

from orchestrator import ChatReply, Orchestrator

CONFIG = Path(__file__).with_name("orchestrator.yaml")


class Line(BaseModel):
    what: str
    amount: Decimal


class Invoice(BaseModel):
    number: str
    due: date
    lines: list[Line]

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))


def extract(llm: Orchestrator, letter: str) -> ChatReply[Invoice]:
    """`reply.output` is an `Invoice`, for the type checker too; an answer that is none raises `MalformedReply`."""
    return llm.chat("extract", f"Read this invoice.\n\n{letter}", output=Invoice)


def main(letter: str) -> None:
    with Orchestrator.from_file(CONFIG) as llm:
        reply = extract(llm, letter)
    invoice = reply.output
    print(f"invoice {invoice.number}, due {invoice.due:%d.%m.%Y}, {len(invoice.lines)} lines, {invoice.total} euros")
    print(f"{len(reply.attempts)} attempts, {reply.cost.total} USD")


if __name__ == "__main__":
    main(sys.stdin.read())
