"""What chat, embed and rerank share: the client, the sum of what was spent, errors of one screen, input and output."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import typer

from orchestrator.cli.helping import plain
from orchestrator.cli.spelling import writes_everything
from orchestrator.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    InvalidRequest,
    OrchestratorError,
    QuotaExhausted,
    RateLimited,
)
from orchestrator.types.call import Attempt, CallWarning, Reply
from orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from orchestrator.blocking import Orchestrator
    from orchestrator.config import Config
    from orchestrator.spec.events import CallEvent, Event

__all__ = [
    "Meter",
    "Session",
    "advice",
    "aside",
    "check_route",
    "complain",
    "described",
    "dollars",
    "json_text",
    "load",
    "note",
    "printable",
    "session",
    "standard_input",
    "texts",
    "warn",
]

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_MOST_ATTEMPTS = 8
_LONGEST_MESSAGE = 1_500
_STATUS = {"error": "broken off", "cancelled": "stopped"}
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class Meter:
    """A sink that adds up the calls of a session, failed and cancelled ones included."""

    def __init__(self) -> None:
        self.calls = self.input_tokens = self.output_tokens = self.unpriced = 0
        self.dollars = Decimal(0)
        self._last: CallEvent | None = None
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        """Take an event of the client."""
        from orchestrator.spec.events import CallEvent  # noqa: PLC0415

        if isinstance(event, CallEvent) and event.attempts:
            with self._lock:
                self._add(event)

    def _add(self, event: CallEvent) -> None:
        self._last = event
        self.calls += 1
        if event.usage is not None:
            self.input_tokens += event.usage.input_tokens or 0
            self.output_tokens += event.usage.output_tokens or 0
        self.dollars += event.cost.total or 0
        self.unpriced += event.cost.total is None

    def tell(self, more: str = "") -> None:
        """Say on standard error who answered the last call, with tokens and dollars; once, and if it used any."""
        event, self._last = self._last, None
        if event is not None and (event.usage is not None or event.status != "error"):
            aside(_told(event) + more)

    def __str__(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls} calls"
        counts = f"{self.input_tokens:,} tokens in, {self.output_tokens:,} out"
        total = f"{calls}, {counts}, {dollars(self.dollars)}"
        return f"{total} without {self.unpriced} of unknown cost" if self.unpriced else total


@dataclass(frozen=True, slots=True)
class Session:
    """An open client and what it spends."""

    llm: Orchestrator
    meter: Meter = field(default_factory=Meter)


@contextmanager
def session(file: Path) -> Iterator[Session]:
    """A client for one command. Its errors become one screen and exit code 1, or 2 for a wrong file; Ctrl-C is 130."""
    try:
        meter = Meter()
        with _client(file, meter) as llm:
            yield Session(llm, meter)
    except OrchestratorError as error:
        complain(error)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _client(file: Path, meter: Meter) -> Orchestrator:
    from orchestrator.blocking import Orchestrator  # noqa: PLC0415

    return Orchestrator(load(file), sinks=[meter])


def load(file: Path) -> Config:
    """The configuration for commands that call. Where its log goes to stdout, as the answers do, it goes to stderr."""
    from orchestrator.config import load_file  # noqa: PLC0415

    config = load_file(file)
    if config.log.to != "stdout":
        return config
    return config.model_copy(update={"log": config.log.model_copy(update={"to": "stderr"})})


def check_route(llm: Orchestrator, route: str) -> None:
    """Raises `InvalidRequest` for a name that is no chat route; it tells the nearest one."""
    llm.aio._core.snapshot.route(route, "chat")


def note(text: str) -> None:
    """Say something beside the answer."""
    typer.echo(text, err=True)


def aside(text: str) -> None:
    """Likewise, so that it does not stand out."""
    note(text if plain() or not sys.stderr.isatty() else typer.style(text, dim=True))


def complain(error: OrchestratorError) -> None:
    """What went wrong, what was tried, and what to look at; it fits on one screen."""
    if isinstance(error, ConfigError):
        _show_mistakes(error)
        return
    kind = type(error).__name__
    note(f"{kind}: {printable(str(error)[:_LONGEST_MESSAGE])}")
    for attempt in error.attempts[:_MOST_ATTEMPTS]:
        note(f"  {_tried(attempt)}")
    if len(error.attempts) > _MOST_ATTEMPTS:
        note(f"  and {len(error.attempts) - _MOST_ATTEMPTS} more")
    if hint := advice(error):
        note(f"  {hint}")


def _show_mistakes(error: ConfigError) -> None:
    from rich.console import Console  # noqa: PLC0415

    from orchestrator.cli.findings import problems_of, show_findings  # noqa: PLC0415

    show_findings(Console(stderr=True, highlight=False), problems_of(error), "error")


def advice(error: OrchestratorError) -> str | None:
    """What to look at, where the class of an error tells."""
    provider = f"provider {error.provider!r}"
    match error:
        case AuthenticationFailed():
            return f"look at the credential of {provider} in the file, and at the variable it names"
        case ConnectionFailed():
            return f"see whether {provider} can be reached, and its base_url if it has one"
        case QuotaExhausted():
            return f"look at the credit and the quota of the account behind {provider}"
        case RateLimited():
            return f"the account behind {provider} is at its limit: try later, or ask the vendor for more"
        case InvalidRequest(status=404):
            return f"look at `model` of deployment {error.deployment!r}: the vendor may not know it"
        case _:
            return None


def _tried(attempt: Attempt) -> str:
    status = f" ({attempt.status})" if attempt.status else ""
    outcome = attempt.error or "answered"
    return f"{attempt.number}. {attempt.deployment}: {outcome}{status} after {attempt.duration_ms / 1e3:.1f} s"


def warn(warnings: tuple[CallWarning, ...]) -> None:
    """What of the request was left out or changed."""
    for warning in warnings:
        note(f"warning: {warning.setting}: {warning.message}")


def _told(event: CallEvent) -> str:
    last = event.attempts[-1]
    served = event.response_model or last.model
    parts = [f"{last.deployment} ({served})"]
    if event.status != "ok":
        parts.append(_STATUS.get(event.status, event.status))
    parts += _counted(event.usage)
    parts.append(f"cost unknown: {event.cost.unknown}" if event.cost.total is None else dollars(event.cost.total))
    parts.append(f"{event.timings.duration_ms / 1e3:.1f} s")
    if len(event.attempts) > 1:
        parts.append(f"{len(event.attempts)} attempts")
    return ", ".join(parts)


def _counted(usage: Usage | None) -> list[str]:
    """`12 tokens in, 4 out`, as far as it is known."""
    if usage is None:
        return []
    about = "about " if usage.source == "estimate" else ""
    unit = "token" if usage.input_tokens == 1 else "tokens"
    counts = [] if usage.input_tokens is None else [f"{about}{usage.input_tokens:,} {unit} in"]
    if usage.output_tokens:
        counts.append(f"{usage.output_tokens:,} out")
    return counts


def dollars(amount: Decimal) -> str:
    """`$0.0000234`, `$0.60` or `$5`: exact, without an exponent and without more zeros at the end."""
    whole, _, part = format(amount, "f").partition(".")
    part = part.rstrip("0")
    return f"${whole}.{part:0<2}" if part else f"${whole}"


def printable(text: str) -> str:
    """The text as a terminal may show it: without the control characters that would move or colour things there."""
    return text.translate(_CONTROLS) if sys.stdout.isatty() or sys.stderr.isatty() else text


def standard_input() -> str:
    """All of standard input, without the line end at its end."""
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise typer.BadParameter("standard input is not text in UTF-8") from None


def texts(given: list[str] | None, what: str) -> list[str]:
    """The arguments, or for none or a single `-` the lines of standard input; empty ones do not count."""
    found = standard_input().splitlines() if given in (None, [], ["-"]) else list(given or ())
    found = [text for text in found if text.strip()]
    if not found:
        raise typer.BadParameter(f"there is no text; give {what} as arguments, or one per line on standard input")
    return found


def described(reply: Reply) -> dict[str, Any]:
    """What all replies share, as JSON values."""
    usage = reply.usage
    return {
        "route": reply.route,
        "deployment": reply.deployment,
        "provider": reply.provider,
        "request_model": reply.request_model,
        "model": reply.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "search_units": usage.search_units,
        "usage_source": usage.source,
        "cost_usd": reply.cost.total,
        "cost_unknown": reply.cost.unknown,
        "duration_ms": round(reply.timings.duration_ms, 1),
        "attempts": len(reply.attempts),
        "warnings": [f"{warning.setting}: {warning.message}" for warning in reply.warnings],
        "call_id": reply.call_id,
        "request_id": reply.request_id,
    }


def json_text(value: Any) -> str:
    """One line of JSON; money keeps its digits. ASCII alone where the output has no more."""
    import orjson  # noqa: PLC0415

    text = orjson.dumps(value, default=_exact).decode()
    return text if writes_everything(sys.stdout.encoding) else _BEYOND_ASCII.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    import json  # noqa: PLC0415

    return json.dumps(found[0])[1:-1]


def _exact(value: Any) -> Any:
    import orjson  # noqa: PLC0415

    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    return dict(value)  # a mapping that is no dict: arguments of a tool call
