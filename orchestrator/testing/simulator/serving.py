"""One vendor at work: from a request to the script of its answer, and to the line in the ledger.

What goes wrong in front of the vendor (a refused status, a reset, silence, a web page) comes first. Then, in the
vendors' order: path, credential, JSON, model, the request itself, its length, and the limits. Only what passes all of
them is processed, and only what is processed is in the ledger.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from orchestrator.testing.simulator.answers import answer, answer_tokens, count_tokens, prompt_tokens
from orchestrator.testing.simulator.anthropic import AnthropicShape
from orchestrator.testing.simulator.asks import (
    Ask,
    ChatAsk,
    ChatMade,
    Complaint,
    EmbedAsk,
    EmbedMade,
    Flaw,
    Made,
    Refused,
    RerankMade,
    Usage,
    WireShape,
)
from orchestrator.testing.simulator.behaviour import Fault, Vendor
from orchestrator.testing.simulator.breaking import HTML, Broken, break_body, break_stream
from orchestrator.testing.simulator.caching import PrefixCache
from orchestrator.testing.simulator.cohere import CohereShape
from orchestrator.testing.simulator.control import SimulatedVendor
from orchestrator.testing.simulator.http import Ending, Request, Script, Step
from orchestrator.testing.simulator.ledger import Ledger, LedgerEntry, Received, TrafficMeter
from orchestrator.testing.simulator.limits import TooMuch
from orchestrator.testing.simulator.openai import OpenAIShape
from orchestrator.testing.simulator.vectors import rank, vector
from orchestrator.types.call import Task

__all__ = ["Desk"]

logger = logging.getLogger(__name__)

SEARCH_UNIT_DOCUMENTS = 100
_SHAPES: Mapping[str, WireShape] = {"openai": OpenAIShape(), "anthropic": AnthropicShape(), "cohere": CohereShape()}
_JSON = {"content-type": "application/json"}
_SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_FLAWED = frozenset({"truncated_json", "invalid_utf8", "no_choices", "stream_error"})
_FAILURES = {
    429: "Rate limit reached. Please slow down.",
    500: "The server had an error while processing your request.",
    503: "The server is overloaded at the moment.",
    529: "Overloaded",
}


class _Visit:
    """One request, from its arrival until its answer is out. See `http.Exchange`."""

    __slots__ = ("_entry", "_gone", "_ledger", "_meter", "_step_tokens", "number", "request_id", "status")

    def __init__(self, number: str, meter: TrafficMeter, ledger: Ledger) -> None:
        self.number = number
        self.request_id = f"req_{number}"
        self.status = 0
        self._meter = meter
        self._ledger = ledger
        self._entry: LedgerEntry | None = None
        self._step_tokens: list[int] | None = None
        self._gone = False

    def book(self, entry: LedgerEntry, step_tokens: list[int] | None) -> None:
        """Note what the answer costs; `step_tokens` for an answer that is generated while it is sent."""
        self._entry = entry
        self._step_tokens = step_tokens

    def settle(self, steps_sent: int, *, complete: bool) -> None:
        """See `http.Exchange.settle`."""
        entry, self._entry = self._entry, None
        if entry is None:
            return
        if not complete:
            entry = replace(entry, completed=False)
        if self._step_tokens is not None and (not complete or not entry.completed):
            sent = sum(self._step_tokens[:steps_sent])
            entry = replace(entry, output_tokens=sent, reasoning_tokens=min(sent, entry.reasoning_tokens))
        self._ledger.add(entry)

    def leave(self) -> None:
        """See `http.Exchange.leave`."""
        if not self._gone:
            self._gone = True
            self._meter.leave(self.status)


@dataclass(frozen=True, slots=True)
class _Work:
    """An admitted request with its answer."""

    task: Task
    made: Made
    time: float

    @property
    def streamed(self) -> bool:
        return isinstance(self.made, ChatMade) and self.made.ask.stream


class Desk:
    """Serves the requests of one vendor. Used on the simulator's thread only; `numbers` gives unique ids."""

    def __init__(self, vendor: SimulatedVendor, ledger: Ledger, numbers: Callable[[], str]) -> None:
        self._vendor = vendor
        self._shape = _SHAPES[vendor.settings.wire]
        self._ledger = ledger
        self._numbers = numbers
        self._cache = PrefixCache()

    def serve(self, request: Request) -> Script:
        """The answer to a request, whatever it is."""
        body = _parsed(request.body)
        received = Received(request.method, request.path, request.headers, body)
        number = self._vendor.meter.arrive(received)
        visit = _Visit(self._numbers(), self._vendor.meter, self._ledger)
        settings = self._vendor.settings
        fault = self._vendor.pick_fault(number)
        try:
            return (fault and self._fail_early(fault, visit)) or self._process(request, body, visit, settings, fault)
        except Refused as refused:
            return self._refuse(refused, visit, settings)
        except Exception:
            # A scripted answer may raise anything; the caller gets what a failing vendor gives, the log says why.
            logger.exception("simulated vendor %r failed", settings.name)
            return self._refuse(Refused(500, _FAILURES[500]), visit, settings)

    def _fail_early(self, fault: Fault, visit: _Visit) -> Script | None:
        match fault.kind:
            case "drop":
                return Script(exchange=visit, ending=Ending.RESET)
            case "hang":
                return Script(exchange=visit, ending=Ending.SILENT)
            case "html":
                return self._whole(visit, 200, HTML, {"content-type": "text/html; charset=utf-8"})
            case "status":
                raise _failure(fault)
            case "error_body":
                return self._whole(visit, 200, self._shape.refusal(Refused(500, _FAILURES[500]), visit.request_id))
            case _:
                return None

    def _whole(self, visit: _Visit, status: int, body: bytes, headers: Mapping[str, str] = _JSON) -> Script:
        visit.status = status
        delay_s = self._vendor.jittered(self._vendor.settings.latency_s)
        return Script(exchange=visit, status=status, headers=headers, steps=(Step(body),), head_delay_s=delay_s)

    def _refuse(self, refused: Refused, visit: _Visit, settings: Vendor) -> Script:
        body = self._shape.refusal(refused, visit.request_id)
        return self._whole(visit, refused.status, body, {**_JSON, **self._headers(visit, settings), **refused.headers})

    def _headers(self, visit: _Visit, settings: Vendor) -> dict[str, str]:
        levels = self._vendor.limiter.levels(time.monotonic()) if settings.limits.advertise else {}
        return self._shape.headers(visit.request_id, levels, time.time())

    def _complain(self, complaint: Complaint, **facts: Any) -> Refused:
        status, text, code = self._shape.complaints[complaint]
        return Refused(status, text.format(**facts), code=code)

    def _process(self, request: Request, body: Any, visit: _Visit, settings: Vendor, fault: Fault | None) -> Script:
        if request.path == "/v1/models" and request.method == "GET":
            self._authenticate(request, settings)
            return self._whole(visit, 200, self._shape.models(list(settings.models)))
        task = self._shape.task(request.path)
        if task is None or request.method != "POST":
            raise self._complain("no_such_path", method=request.method, path=request.path)
        self._authenticate(request, settings)
        ask = self._read(task, body, settings)
        work = self._work(task, ask, visit, settings, _flaw(fault))
        return (
            self._stream(work, visit, settings, fault) if work.streamed else self._plain(work, visit, settings, fault)
        )

    def _authenticate(self, request: Request, settings: Vendor) -> None:
        key = self._shape.credential(request.headers)
        if not key:
            raise self._complain("missing_key")
        if settings.api_key is not None and key != settings.api_key:
            raise self._complain("wrong_key")

    def _read(self, task: Task, body: Any, settings: Vendor) -> Ask:
        if not isinstance(body, dict):
            raise self._complain("bad_json")
        model = body.get("model")
        if isinstance(model, str) and model and settings.models and model not in settings.models:
            raise self._complain("unknown_model", model=model)
        return self._shape.read(task, body)

    def _work(self, task: Task, ask: Ask, visit: _Visit, settings: Vendor, flaw: Flaw | None) -> _Work:
        """Admit the request and answer it."""
        tokens = _input_tokens(ask)
        room = (ask.max_tokens or 0) * ask.choices if isinstance(ask, ChatAsk) else 0
        if tokens + room > settings.context_tokens:
            raise self._complain("too_long", limit=settings.context_tokens, tokens=tokens + room)
        concurrency = settings.limits.concurrency
        if concurrency is not None and self._vendor.meter.in_flight > concurrency:
            raise self._complain("too_many", limit=concurrency)
        limiter = self._vendor.limiter
        try:
            reservation = limiter.admit(tokens, room, time.monotonic())
        except TooMuch as too_much:
            raise self._too_much(too_much, settings) from None
        made = self._make(ask, tokens, visit, settings, flaw)
        limiter.settle(reservation, tokens, made.usage.output_tokens)
        return _Work(task, made, time.time())

    def _too_much(self, too_much: TooMuch, settings: Vendor) -> Refused:
        never = math.isinf(too_much.wait_s)
        advice = f"Please try again in {too_much.wait_s:.3f}s." if settings.limits.advertise else "Please slow down."
        dimension = too_much.dimension.replace("-", " ")
        refused = self._complain(
            "too_big" if never else "rate_limit", limit=too_much.limit, dimension=dimension, advice=advice
        )
        refused.kind = "requests" if too_much.dimension == "requests" else "tokens"
        if settings.limits.advertise and not never:
            refused.headers["retry-after"] = str(math.ceil(too_much.wait_s))
        return refused

    def _make(self, ask: Ask, tokens: int, visit: _Visit, settings: Vendor, flaw: Flaw | None) -> Made:
        model = settings.models[ask.model] if isinstance(settings.models, Mapping) else ask.model
        common: dict[str, Any] = {"model": model, "number": visit.number, "flaw": flaw}
        if isinstance(ask, ChatAsk):
            return self._chat(ask, tokens, settings, common)
        if isinstance(ask, EmbedAsk):
            vectors = [vector(text, ask.dimensions or settings.dimensions) for text in ask.texts]
            return EmbedMade(ask=ask, vectors=vectors, usage=Usage(input_tokens=tokens), **common)
        units = math.ceil(len(ask.documents) / SEARCH_UNIT_DOCUMENTS)
        usage = Usage(input_tokens=tokens, search_units=units)
        return RerankMade(ask=ask, ranking=rank(ask.query, ask.documents)[: ask.top_n], usage=usage, **common)

    def _chat(self, ask: ChatAsk, tokens: int, settings: Vendor, common: dict[str, Any]) -> ChatMade:
        said = answer(ask, settings.answer)
        read, written = self._cache.look(ask) if settings.prefix_cache else (0, 0)
        usage = Usage(
            input_tokens=tokens,
            output_tokens=answer_tokens(said) * ask.choices,
            reasoning_tokens=count_tokens(said.reasoning) * ask.choices if said.reasoning else 0,
            cache_read_tokens=read,
            cache_write_tokens=written if self._shape.bills_cache_writes else 0,
        )
        return ChatMade(ask=ask, answer=said, usage=usage, created=int(time.time()), **common)

    def _plain(self, work: _Work, visit: _Visit, settings: Vendor, fault: Fault | None) -> Script:
        body, response_id = self._shape.write(work.made)
        tokens = work.made.usage.output_tokens
        generating_s = settings.first_token_s if isinstance(work.made, ChatMade) else 0.0
        if settings.tokens_per_s:
            generating_s += tokens / settings.tokens_per_s
        step = Step(body, tokens, self._vendor.jittered(generating_s))
        if fault is not None and fault.kind == "stream_error":
            return self._whole(visit, 200, self._shape.refusal(Refused(500, _FAILURES[500]), visit.request_id))
        broken = break_body(step, fault) if fault is not None else Broken((step,))
        self._book(work, visit, response_id, None, fault)
        return self._script(broken, visit, settings, fault, _JSON, stream=False)

    def _stream(self, work: _Work, visit: _Visit, settings: Vendor, fault: Fault | None) -> Script:
        frames, response_id = self._shape.frames(cast("ChatMade", work.made))
        steps = self._paced(frames, settings)
        broken = Broken(steps)
        if fault is not None:
            broken = break_stream(steps, fault, self._shape.stream_error(visit.request_id))
        self._book(work, visit, response_id, [step.tokens for step in broken.steps], fault)
        return self._script(broken, visit, settings, fault, _SSE, stream=True)

    def _paced(self, frames: list[tuple[bytes, int]], settings: Vendor) -> list[Step]:
        """When each event is due: the first token after its own delay, the others at the vendor's pace."""
        wait_s, steps = settings.first_token_s, []
        pace_s = 1 / settings.tokens_per_s if settings.tokens_per_s else 0.0
        for data, tokens in frames:
            delay_s = tokens * pace_s + (wait_s if tokens else 0.0)
            wait_s = 0.0 if tokens else wait_s
            steps.append(Step(data, tokens, self._vendor.jittered(delay_s)))
        return steps

    def _book(
        self, work: _Work, visit: _Visit, response_id: str | None, step_tokens: list[int] | None, fault: Fault | None
    ) -> None:
        made, usage = work.made, work.made.usage
        entry = LedgerEntry(
            request_id=visit.request_id,
            response_id=response_id,
            time=work.time,
            vendor=self._vendor.name,
            wire=self._shape.name,
            model=made.ask.model,
            task=work.task,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            search_units=usage.search_units,
            streamed=work.streamed,
            completed=fault is None or fault.kind not in _FLAWED,
        )
        visit.book(entry, step_tokens)

    def _script(
        self,
        broken: Broken,
        visit: _Visit,
        settings: Vendor,
        fault: Fault | None,
        headers: Mapping[str, str],
        *,
        stream: bool,
    ) -> Script:
        visit.status = 200
        return Script(
            exchange=visit,
            status=200,
            headers={**headers, **self._headers(visit, settings)},
            steps=broken.steps,
            stream=stream,
            length=broken.length,
            head_delay_s=self._vendor.jittered(settings.latency_s),
            ending=broken.ending,
            keepalive=self._shape.keepalive,
            keepalive_s=fault.keepalive_s if fault is not None else None,
        )


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _failure(fault: Fault) -> Refused:
    text = "You exceeded your current quota." if fault.code == "insufficient_quota" else _FAILURES.get(fault.status)
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after}"}
    return Refused(fault.status, text or "The request failed.", code=fault.code, headers=headers)


def _flaw(fault: Fault | None) -> Flaw | None:
    return fault.kind if fault is not None and fault.kind in ("no_choices", "no_usage") else None


def _input_tokens(ask: Ask) -> int:
    if isinstance(ask, ChatAsk):
        return prompt_tokens(ask)
    texts = ask.texts if isinstance(ask, EmbedAsk) else (ask.query, *ask.documents)
    return sum(count_tokens(text) for text in texts)
