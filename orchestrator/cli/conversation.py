"""`orchestrator chat --interactive`: a history, and what one can do beside talking."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from orchestrator.blocking import Orchestrator
from orchestrator.cli.calling import Session, aside, check_route, complain, load, note, printable, warn
from orchestrator.cli.helping import plain
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.types.chat import ChatReply, Message, Part, Text

__all__ = ["Conversation", "Turn"]

_COMMANDS = {
    "/reset": "forget what was said",
    "/route NAME": "go on with another route, with the same history",
    "/cost": "what this conversation has cost so far",
    "/help": "this list",
    "/exit": "end (also Ctrl-D)",
}
_HELP = "".join(f"{name:13} {about}\n" for name, about in _COMMANDS.items()) + (
    'Ctrl-C ends an answer. Lines between two """ are one message; two slashes begin one with a slash.'
)
_NAMES = tuple(name.partition(" ")[0] for name in _COMMANDS)
_BLOCK = '"""'


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
    """Talks until the input ends. An error or Ctrl-C ends an answer, not the conversation.

    An edit of the file is in force from the next message on; a wrong one is told, and changes nothing.
    """

    session: Session
    route: str
    file: Path
    system: str | None = None
    stream: bool = True
    history: list[Message] = field(default_factory=list)
    _seen: tuple[int, int] | None = None

    def run(self, first: tuple[Part, ...] = ()) -> None:
        """Begin with these parts, if there are any; then with what is typed."""
        check_route(self.session.llm, self.route)
        self._seen = _stamp(self.file)
        if sys.stdin.isatty():
            _edit_lines(self._offers)
            aside(f"{self.route}: /help lists the commands, Ctrl-D ends")
        if first:
            self._say(first)
        while (line := _typed(self.route)) is not None:
            if line.startswith("/") and not line.startswith("//"):
                if not self._command(*line.split(maxsplit=1)):
                    return
            elif line:
                self._say((Text(line.removeprefix("/")),))

    def _command(self, name: str, argument: str = "") -> bool:
        """False to end."""
        match name:
            case "/exit" | "/quit":
                return False
            case "/reset":
                self.history.clear()
                aside("forgotten")
            case "/route" if argument:
                self._move(argument.strip())
            case "/route":
                aside(f"{self.route} answers; /route NAME asks another: {', '.join(self._chats())}")
            case "/cost":
                aside(str(self.session.meter))
            case "/help":
                note(_HELP)
            case _:
                near = get_close_matches(name, _NAMES, n=1)
                aside(f"there is no {name}; {f'did you mean {near[0]}?' if near else '/help lists the commands'}")
        return True

    def _move(self, route: str) -> None:
        try:
            check_route(self.session.llm, route)
        except OrchestratorError as error:
            complain(error)
            return
        self.route = route
        aside(f"{route} from now on")

    def _chats(self) -> list[str]:
        routes = self.session.llm.aio._core.snapshot.config.routes
        return [name for name, route in routes.items() if route.task == "chat"]

    def _offers(self, line: str) -> list[str]:
        """What the line may become: a command, or a route after `/route`."""
        known = [f"/route {name}" for name in self._chats()] if line.startswith("/route ") else list(_NAMES)
        return [one for one in known if line and one.startswith(line)]

    def _say(self, parts: tuple[Part, ...]) -> None:
        """One turn. What was asked stays in the history only with something of an answer."""
        self._follow_file()
        instructions = [Message("system", (Text(self.system),))] if self.system else []
        asked = Message("user", parts)
        turn = Turn(self.session.llm, self.route, stream=self.stream)
        try:
            reply = turn.take([*instructions, *self.history, asked])
            warn(reply.warnings)
            self.history += [asked, reply.message]
        except (OrchestratorError, KeyboardInterrupt) as error:
            if isinstance(error, OrchestratorError):
                complain(error)
            if turn.said:
                self.history += [asked, Message("assistant", (Text(turn.said),))]
                aside("what had come stays in the conversation")
        self.session.meter.tell()

    def _follow_file(self) -> None:
        stamp = _stamp(self.file)
        if stamp in (None, self._seen):
            return
        self._seen = stamp
        try:
            self.session.llm.reload(load(self.file))
            aside(f"{self.file} has changed, and is in force")
        except ConfigError as error:
            complain(error)
            aside(f"{self.file} has changed, but is wrong: the old one stays in force")


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _edit_lines(offers: Callable[[str], list[str]]) -> None:
    """Give `input` editing, a history, Tab, and several pasted lines as one message, where the platform has them."""
    try:
        import readline  # noqa: PLC0415
    except ImportError:
        return
    readline.set_completer_delims("")
    readline.set_completer(lambda line, number: dict(enumerate(offers(line))).get(number))
    readline.parse_and_bind("tab: complete")
    if not plain():
        readline.parse_and_bind("set enable-bracketed-paste on")


def _typed(route: str) -> str | None:
    """The next message, None at the end of the input. Ctrl-C throws away what was typed."""
    try:
        line = _line(f"{route}> ")
        while line.lstrip().startswith(_BLOCK) and not _closed(line):
            line += "\n" + _line("... ")
    except EOFError:
        return None
    except KeyboardInterrupt:
        note("")
        return ""
    line = line.strip()
    return line.strip('"').strip() if line.startswith(_BLOCK) else line


def _line(prompt: str) -> str:
    return input(prompt if sys.stdin.isatty() and sys.stdout.isatty() else "")


def _closed(text: str) -> bool:
    text = text.strip()
    return len(text) > len(_BLOCK) and text.endswith(_BLOCK)
