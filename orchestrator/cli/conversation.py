"""`orchestrator chat --interactive`: a history, and what one can do beside talking."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from orchestrator.blocking import Orchestrator
from orchestrator.cli.calling import Session, check_route, complain, note, printable, warn
from orchestrator.errors import OrchestratorError
from orchestrator.types.chat import ChatReply, Message, Part, Text

__all__ = ["Conversation", "Turn"]

_HELP = """\
/reset        forget what was said
/route NAME   go on with another route, with the same history
/cost         what this conversation has cost so far
/exit         end (also Ctrl-D)
Ctrl-C ends an answer. Two slashes begin a message with a slash."""


@dataclass(slots=True)
class Turn:
    """One answer, written to standard output while it comes. `said` is what was written, also if it broke off."""

    llm: Orchestrator
    route: str
    stream: bool = True
    said: str = ""

    def take(self, history: list[Message]) -> ChatReply:
        """Ask, write the answer, end the line.

        Raises:
            OrchestratorError, KeyboardInterrupt: `said` holds what had come.
        """
        try:
            if self.stream:
                return self._streamed(history)
            reply = self.llm.chat(self.route, history)
            self._write(reply.text)
            return reply
        finally:
            if self.said and not self.said.endswith("\n"):
                print(flush=True)

    def _streamed(self, history: list[Message]) -> ChatReply:
        with self.llm.stream(self.route, history) as stream:
            for text in stream.text:
                self._write(text)
        return stream.reply

    def _write(self, text: str) -> None:
        self.said += text
        print(printable(text), end="", flush=True)


@dataclass(slots=True)
class Conversation:
    """Talks until the input ends. An error or Ctrl-C ends an answer, not the conversation."""

    session: Session
    route: str
    system: str | None = None
    stream: bool = True
    history: list[Message] = field(default_factory=list)

    def run(self, first: tuple[Part, ...] = ()) -> None:
        """Begin with these parts, if there are any; then with what is typed."""
        check_route(self.session.llm, self.route)
        if sys.stdin.isatty():
            import readline  # noqa: F401, PLC0415 - its import gives `input` editing and a history

            note(f"{self.route}: /help lists the commands, Ctrl-D ends")
        if first:
            self._say(first)
        while (line := _typed()) is not None:
            if line.startswith("/") and not line.startswith("//"):
                if not self._command(*line[1:].split(maxsplit=1)):
                    return
            elif line:
                self._say((Text(line.removeprefix("/")),))

    def _command(self, name: str = "", argument: str = "") -> bool:
        """False to end."""
        match name:
            case "exit" | "quit":
                return False
            case "reset":
                self.history.clear()
                note("forgotten")
            case "route" if argument:
                self._move(argument.strip())
            case "cost":
                note(str(self.session.meter))
            case _:
                note(_HELP)
        return True

    def _move(self, route: str) -> None:
        try:
            check_route(self.session.llm, route)
        except OrchestratorError as error:
            complain(error)
            return
        self.route = route
        note(f"{route} from now on")

    def _say(self, parts: tuple[Part, ...]) -> None:
        """One turn. What was asked stays in the history only with something of an answer."""
        instructions = [Message("system", (Text(self.system),))] if self.system else []
        asked = Message("user", parts)
        turn = Turn(self.session.llm, self.route, stream=self.stream)
        try:
            reply = turn.take([*instructions, *self.history, asked])
            warn(reply.warnings)
            self.history += [asked, reply.message]
        except (OrchestratorError, KeyboardInterrupt) as error:
            if turn.said:
                self.history += [asked, Message("assistant", (Text(turn.said),))]
            if isinstance(error, OrchestratorError):
                complain(error)
        self.session.meter.tell()


def _typed() -> str | None:
    """The next line, None at the end of the input. Ctrl-C throws away what was typed."""
    try:
        return input("> " if sys.stdin.isatty() and sys.stdout.isatty() else "").strip()
    except EOFError:
        return None
    except KeyboardInterrupt:
        note("")
        return ""
