"""What the three wires have in common: what is asked, what is made, how a request is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from orchestrator.types.call import Task

if TYPE_CHECKING:
    from orchestrator.testing.simulator.answers import Answer

__all__ = [
    "Ask",
    "ChatAsk",
    "ChatMade",
    "Complaint",
    "Complaints",
    "Dimension",
    "EmbedAsk",
    "EmbedMade",
    "Flaw",
    "Frames",
    "Level",
    "Made",
    "Refused",
    "RerankAsk",
    "RerankMade",
    "Turn",
    "Usage",
    "WireShape",
]

Dimension = Literal["requests", "tokens", "input-tokens", "output-tokens"]
Flaw = Literal["no_choices", "no_usage"]
"""What is left out of an otherwise right answer."""

Frames: TypeAlias = "list[tuple[bytes, int]]"
"""The events of a stream as bytes, each with the number of output tokens that ride on it."""


Complaint = Literal[
    "bad_json",
    "missing_key",
    "no_such_path",
    "rate_limit",
    "too_big",
    "too_long",
    "too_many",
    "unknown_model",
    "wrong_key",
]
Complaints: TypeAlias = Mapping[Complaint, "tuple[int, str, str | None]"]
"""Status, message with places for facts, and code."""


class Refused(Exception):
    """The vendor does not process the request. `code`, `kind` (its type) and `param` as far as the wire has them."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        kind: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.kind = kind
        self.param = param
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, reduced to its role and its text (results and arguments of tools are text too)."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAsk:
    """A chat request.

    Attributes:
        tools: JSON schema of the arguments by tool name.
        must_call: the tool that has to be called, `""` for any, None if none has to.
        schema: the JSON schema the answer has to satisfy, None for plain text.
        cacheable: how many leading turns end at a point up to which the vendor may cache; ascending.
        raw: the request's JSON.
    """

    model: str
    turns: Sequence[Turn]
    raw: dict[str, Any]
    tools: Mapping[str, Any]
    must_call: str | None = None
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    reasoning: bool = False
    stream: bool = False
    include_usage: bool = True
    choices: int = 1
    images: int = 0
    cacheable: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedAsk:
    """An embedding request. `formats` are the forms in which each vector is wanted."""

    model: str
    texts: Sequence[str]
    dimensions: int | None = None
    formats: Sequence[str] = ("float",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankAsk:
    """A rerank request."""

    model: str
    query: str
    documents: Sequence[str]
    top_n: int | None = None
    return_documents: bool = False


Ask: TypeAlias = ChatAsk | EmbedAsk | RerankAsk


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used. `input_tokens` holds the cached parts, `output_tokens` the reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    search_units: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMade:
    """A chat answer to write down. `number` is unique, for ids; `created` is in seconds since the epoch."""

    ask: ChatAsk
    answer: Answer
    usage: Usage
    model: str
    number: str
    created: int
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedMade:
    """Vectors to write down, one per text."""

    ask: EmbedAsk
    vectors: Sequence[Sequence[float]]
    usage: Usage
    model: str
    number: str
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankMade:
    """A ranking to write down: (index, score), best first."""

    ask: RerankAsk
    ranking: Sequence[tuple[int, float]]
    usage: Usage
    model: str
    number: str
    flaw: Flaw | None = None


Made: TypeAlias = ChatMade | EmbedMade | RerankMade


@dataclass(frozen=True, slots=True)
class Level:
    """How full one limit is; `reset_s` seconds until all of it is free again."""

    limit: int
    remaining: int
    reset_s: float


class WireShape(Protocol):
    """How one vendor's HTTP API looks. Has no state."""

    name: str
    keepalive: bytes
    """What the vendor sends in a stream to keep it open."""
    complaints: Complaints
    bills_cache_writes: bool

    def task(self, path: str) -> Task | None:
        """What is asked for at a path, None if there is nothing."""
        ...

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """The key the caller presents.

        Raises:
            Refused: a header the vendor insists on is missing.
        """
        ...

    def read(self, task: Task, body: dict[str, Any]) -> Ask:
        """Check a request as the vendor does.

        Raises:
            Refused: it would not be processed.
        """
        ...

    def write(self, made: Made) -> tuple[bytes, str | None]:
        """The body of an answer, and the response id in it."""
        ...

    def frames(self, made: ChatMade) -> tuple[Frames, str]:
        """The events of a streamed answer, and the response id in them."""
        ...

    def refusal(self, refused: Refused, request_id: str) -> bytes:
        """The body of an error answer."""
        ...

    def stream_error(self, request_id: str) -> bytes:
        """The event by which the vendor says, inside a stream, that it failed."""
        ...

    def models(self, names: Sequence[str]) -> bytes:
        """The body that lists the models."""
        ...

    def headers(self, request_id: str, levels: Mapping[Dimension, Level], now: float) -> dict[str, str]:
        """Request id and rate limits. `now` in seconds since the epoch."""
        ...
