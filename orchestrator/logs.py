"""The logs that a configuration asks for: lines of calls, lines of content, and an OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.config import Config
from orchestrator.config.log import LogConfig, OtelConfig
from orchestrator.config.secrets import SecretRef
from orchestrator.spec.events import CallEvent, Event, Sink
from orchestrator.telemetry.content import ContentLines, Redactor
from orchestrator.telemetry.destinations import Destination, FileDestination, LoggerDestination, StreamDestination
from orchestrator.telemetry.jsonl import JsonLines, LogWriter, Processor
from orchestrator.telemetry.redaction import redactor as named
from orchestrator.telemetry.rotation import RotatingFile, Rotation

__all__ = ["Logs"]


class Logs:
    """Opened for one configuration; nothing is written or started before the first event.

    `required` is the log without which no call may be made, None if calls go on without one.
    """

    def __init__(
        self, config: Config, *, processors: Sequence[Processor] = (), redactor: Redactor | None = None
    ) -> None:
        log = config.log
        self._calls = LogWriter(_destination(log), processors=processors, required=log.required)
        self._content = _content_log(config, redactor)
        self._otel = _otel(config.otel)
        self.required = self._calls if log.required else None
        self.emit: Sink = self._emit if self._content or self._otel else self._calls.emit
        """Take an event. Never raises, never waits."""

    @staticmethod
    def differ(config: Config, other: Config) -> bool:
        """Whether a change from one to the other needs logs to be opened anew."""
        return (config.log, config.otel) != (other.log, other.otel) or _with_content(config) != _with_content(other)

    def _emit(self, event: Event) -> None:
        self._calls.emit(event)
        if self._content is not None and isinstance(event, CallEvent) and event.content is not None:
            self._content.emit(event)
        if self._otel is not None:
            self._otel.emit(event)

    def defer(self, action: Callable[[], None]) -> None:
        """See `LogWriter.defer`."""
        self._calls.defer(action)

    def start(self) -> None:
        """See `LogWriter.start`."""
        self._calls.start()

    def flush(self) -> bool:
        """See `LogWriter.flush`."""
        written = [log.flush() for log in self._all()]
        return any(written)

    def close(self) -> None:
        """Write everything. See `LogWriter.close`."""
        for log in self._all():
            log.close()

    def _all(self) -> tuple[LogWriter, ...]:
        return tuple(log for log in (self._calls, self._content, self._otel) if log is not None)


def _with_content(config: Config) -> bool:
    return any(route.log_content for route in config.routes.values())


def _content_log(config: Config, own: Redactor | None) -> LogWriter | None:
    if not _with_content(config):
        return None
    content = config.log.content
    redactors = [named(content.redact), *([own] if own else [])]
    lines = ContentLines(redactors, max_line=content.max_line)
    return LogWriter(_destination(config.log, content.path), render=JsonLines(lines))


def _otel(config: OtelConfig | None) -> LogWriter | None:
    if config is None:
        return None
    from orchestrator.telemetry.otel import collector  # noqa: PLC0415 - only who exports needs it

    headers = {name: one.open().reveal() if isinstance(one, SecretRef) else one for name, one in config.headers.items()}
    return collector(config.endpoint, headers=headers, service_name=config.service_name)


def _destination(log: LogConfig, instead: str | None = None) -> Destination | None:
    path = instead or log.path
    if path is None:
        if log.to in {"stdout", "stderr"}:
            return StreamDestination(str(log.to))
        return LoggerDestination() if log.to == "logging" else None
    if log.rotate is None:
        return FileDestination(Path(path))
    rotation = Rotation(size=log.rotate.size, daily=log.rotate.daily, keep=log.rotate.keep)
    return RotatingFile(Path(path), rotation)
