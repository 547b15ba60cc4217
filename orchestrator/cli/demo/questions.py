"""What the demo's application asks: made up, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

__all__ = ["DOCUMENTS", "Kind", "Question", "questions"]

Kind = Literal["chat", "stream", "embed", "rerank"]

_SHARES: dict[Kind, int] = {"chat": 45, "stream": 25, "embed": 18, "rerank": 12}
_TENANTS = {"acme": 5, "globex": 3, "initech": 2}
_FEATURES: dict[Kind, str] = {"chat": "faq", "stream": "assistant", "embed": "search", "rerank": "search"}
_QUESTIONS = (
    "Which plan includes single sign-on?",
    "How do I export all invoices of last year?",
    "Can I move my workspace to another region?",
    "What happens to my data when I cancel?",
    "How many seats does the team plan have?",
    "Is there a limit on API requests per day?",
    "How do I invite a guest to one project only?",
    "Where are the audit logs, and how long are they kept?",
)
DOCUMENTS = (
    "Single sign-on is part of the business plan. It works with SAML and OpenID Connect providers.",
    "Invoices can be exported as CSV or PDF, by month or by year, from the billing page.",
    "A workspace stays in the region where it was created. Support can move it once, on request.",
    "After cancellation the data is kept for thirty days and then deleted, backups included.",
    "The team plan has up to fifty seats. Guests do not count as seats.",
    "The API admits ten thousand requests per day on the team plan and more on the business plan.",
    "Guests are invited from the sharing menu of a project and see nothing else of the workspace.",
    "Audit logs are under security in the settings. They are kept for one year.",
)


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that the application wants, and for whom."""

    kind: Kind
    text: str
    tenant: str
    user: str

    @property
    def feature(self) -> str:
        """The part of the application that asks."""
        return _FEATURES[self.kind]

    @property
    def messages(self) -> list[dict[str, str]]:
        """As a chat with the documents at hand."""
        system = "You answer customers of a software company. Use only these notes:\n" + "\n".join(DOCUMENTS)
        return [{"role": "system", "content": system}, {"role": "user", "content": self.text}]


def questions(seed: int) -> Iterator[Question]:
    """Questions without end."""
    random = Random(seed)
    while True:
        (kind,) = random.choices(tuple(_SHARES), tuple(_SHARES.values()))
        (tenant,) = random.choices(tuple(_TENANTS), tuple(_TENANTS.values()))
        yield Question(kind, random.choice(_QUESTIONS), tenant, f"{tenant}-{random.randint(1, 9)}")
