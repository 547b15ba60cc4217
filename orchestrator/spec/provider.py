"""What a provider kind is made of.

A *wire* is a vendor's HTTP protocol that we speak ourselves: pure codecs, no I/O, no clock. An *engine* does its own
I/O.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from orchestrator.errors import OrchestratorError
from orchestrator.spec.auth import Grant, Secret, Signer
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.call import CallWarning, Task
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, RerankRequest, RerankResult
from orchestrator.types.stream import StreamEvent
from orchestrator.types.usage import Usage
from orchestrator.types.values import value

__all__ = [
    "Batched",
    "ChatCodec",
    "Codec",
    "Codecs",
    "Decoded",
    "Encoded",
    "Engine",
    "EngineFactory",
    "Failure",
    "Frame",
    "FrameParser",
    "Framing",
    "Profile",
    "StreamDecoder",
    "Target",
    "Wire",
]

Frame: TypeAlias = tuple[str, bytes]
"""Event name (`""` if the frame has none) and data."""


class FrameParser(Protocol):
    """Cuts the bytes of one stream into frames. Any way of cutting the same bytes into chunks gives the same frames."""

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Frames completed by these bytes, in order.

        Raises:
            MalformedReply: the bytes are no frames, or one is larger than its bound.
        """
        ...

    def end(self) -> Sequence[Frame]:
        """The frame, if any, that the end of the body completes. Raises as `feed` does."""
        ...


Framing: TypeAlias = "Literal['sse'] | Callable[[], FrameParser]"
"""How a stream's bytes are cut into frames before a decoder sees them: as server-sent events, or by a parser of the
wire's own, made anew for each stream.
"""

RequestT = TypeVar("RequestT", contravariant=True)
ResultT = TypeVar("ResultT", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Facts about a provider kind, as data.

    Attributes:
        kind: the name used in the file.
        tasks: what the kind can be asked for.
        base_url: where the vendor answers; None when the file must say it.
        api_key_env: the vendor's usual environment variables; the one-line form takes the first that is set.
        key_required: a missing credential is an error at load.
        auth_header, auth_prefix: where the credential goes.
        headers: sent with every request.
        hosts: hosts at which the vendor's prices hold, or suffixes of theirs if they begin with a dot. No price is
            known for a `base_url` elsewhere: regional hosts may cost more.
        prices: the vendor's name in the price book, None if it sells nothing.
        place: by settings (with `region`) and `base_url`, where the vendor processes requests, in the price book's
            words (`eu`, `us-gov-west-1`, `global`); None from it: the price is the same everywhere.
        free: nobody charges for its calls: without a price in the file they cost 0.
        otel_name: `gen_ai.provider.name`.
        settings: further keys a provider of this kind accepts in the file, with a line of explanation each.
        secret_settings: those of them that are credentials: references in the file, a `Secret` in `Grant` and `Target`.
        media: media types the wire can carry, `image/*` for a family.
        schema_by_tool: where a model follows no output schema by itself, the wire has a tool call stand in for it.
        limit_headers: how its answers state limits (a style of `shared.limit_headers`), empty if they do not.
        charges_output_cap: the output cap counts against token limits when a request arrives, not what comes of it.
        tested: False for a vendor whose recorded traffic we have not seen.
        quirks: the wire's own facts about this vendor; only the wire reads them.
    """

    kind: str
    tasks: frozenset[Task]
    base_url: str | None = None
    api_key_env: tuple[str, ...] = ()
    key_required: bool = True
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    prices: str | None = None
    place: Callable[[Mapping[str, Any], str | None], str | None] | None = None
    free: bool = False
    otel_name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    secret_settings: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()
    schema_by_tool: bool = False
    limit_headers: str = ""
    charges_output_cap: bool = False
    tested: bool = True
    quirks: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a deployment binds a wire or engine to.

    `settings` are those of the profile that the file gives, and `region`. `secret` is for engines; wires are signed for
    outside the codec.
    """

    profile: Profile
    provider: str
    deployment: str
    model: str
    base_url: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    secret: Secret | None = None
    model_profile: ModelProfile = field(default_factory=ModelProfile)


@value(frozen=True, slots=True)
class Encoded:
    """A request ready to be signed, and what had to be left out of it."""

    request: HttpRequest
    warnings: tuple[CallWarning, ...] = ()


class Codec(Protocol, Generic[RequestT, ResultT]):
    """One task of one wire, bound to one deployment. Pure: the same input gives the same output, from any thread."""

    def encode(self, request: RequestT) -> Encoded:
        """Write the request down.

        Raises:
            UnsupportedFeature: the wire cannot carry a part, tool or output schema. Settings it cannot take are no
                error: they are left out with a warning.
        """
        ...

    def decode(self, reply: HttpReply) -> ResultT:
        """Read an answer with status 200.

        Raises:
            MalformedReply: not JSON, truncated, no choices, no terminal reason.
            OrchestratorError: the body is an error in spite of the status; classified as `error` does.
        """
        ...

    def error(self, reply: HttpReply) -> OrchestratorError:
        """Classify an answer whose status is not 200. Never raises, whatever the bytes."""
        ...


@runtime_checkable
class Batched(Protocol):
    """An embedding codec whose vendor takes only so many texts in one request; longer requests are cut before it."""

    @property
    def batch(self) -> int | None:
        """Texts in one request at most; None if the vendor names no number."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Ends a batch of decoded events: the stream carried an error, or broke."""

    error: OrchestratorError


Decoded: TypeAlias = "list[StreamEvent | Failure]"


class StreamDecoder(Protocol):
    """Turns frames into events. One per stream; keeps what the stream has said so far.

    Attributes:
        usage: the vendor's counts so far, for streams that break.
        closing: the terminal reason was seen; only trailers (usage, an end marker) may follow, and a reader need not
            wait long for them.
        done: the terminal signal was seen and `Finish` given out; whatever follows is not read.
    """

    usage: Usage | None
    closing: bool
    done: bool

    def feed(self, frames: Sequence[Frame]) -> Decoded:
        """Events of these frames, in order; `Finish`, or a `Failure` if a frame was one, is the last. Never raises."""
        ...

    def end(self) -> Decoded:
        """The body has ended: `Finish` if that is where this wire may end, else a `Failure`. Empty once `done`."""
        ...


class ChatCodec(Codec[ChatRequest, ChatResult], Protocol):
    """A codec whose answers may also stream."""

    framing: Framing

    def encode_stream(self, request: ChatRequest) -> Encoded:
        """Like `encode`, asking for a stream that ends with usage."""
        ...

    def decoder(self) -> StreamDecoder:
        """A fresh decoder for one stream. It gives no `StreamStart`; the pipeline does, with the warnings."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Codecs:
    """The tasks of one deployment; None for those its wire does not have."""

    chat: ChatCodec | None = None
    embed: Codec[EmbedRequest, EmbedResult] | None = None
    rerank: Codec[RerankRequest, RerankResult] | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """A provider kind that we speak ourselves.

    Attributes:
        bind: the codecs of one deployment.
        signer: makes what signs the requests of one provider, for kinds whose credential is more than a header. Raises
            `ConfigError` if a package is missing; does no I/O.
        locate: the base URL by the provider's settings, for kinds whose address depends on them. Raises `ConfigError`
            naming the setting that is missing. Not asked when the file gives a `base_url`.
    """

    profile: Profile
    bind: Callable[[Target], Codecs]
    signer: Callable[[Grant], Signer] | None = None
    locate: Callable[[Mapping[str, Any]], str] | None = None


class Engine(Protocol):
    """A provider kind that does its own I/O. Raises only errors of this library; makes no retries of its own.

    `timeout_s` is what is left of the call; the pipeline enforces it too.
    """

    async def chat(self, request: ChatRequest, *, timeout_s: float) -> ChatResult:
        """Answer a chat."""
        ...

    def stream(self, request: ChatRequest, *, timeout_s: float) -> AsyncIterator[StreamEvent]:
        """Answer a chat in events, `StreamStart` with its warnings first, `Finish` last."""
        ...

    async def embed(self, request: EmbedRequest, *, timeout_s: float) -> EmbedResult:
        """Embed texts."""
        ...

    async def rerank(self, request: RerankRequest, *, timeout_s: float) -> RerankResult:
        """Order documents."""
        ...

    def warm_up(self) -> None:
        """Load what is slow to load. Called once when a client is built, in a thread of its own."""
        ...

    async def close(self) -> None:
        """Let go of connections and files. Called when the client is closed; a later call opens them again."""
        ...


@dataclass(frozen=True, slots=True)
class EngineFactory:
    """A provider kind that does its own I/O. `open` raises `ConfigError` with the install
    command if its package is missing.
    """

    profile: Profile
    open: Callable[[Target], Engine]
