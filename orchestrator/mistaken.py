"""What to say to a program that uses these classes as if they were others: the twin, or those of another library.

Only on the way to an error: nothing here runs in a program that is right. Type checkers do not see it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from orchestrator.types.elsewhere import Elsewhere

__all__ = ["KEYWORDS", "Awaited", "Blocking", "Client", "known_seams", "warn_of_blocking"]

KEYWORDS: Mapping[str, str] = {
    "extra_body": "provider_options={KIND: {…}} puts keys into the request",
    "fallbacks": "the route's `then` in the file says who answers instead",
    "functions": "did you mean 'tools'?",
    "input": "the texts come after the route",
    "instructions": "a message of the role system says it",
    "max_completion_tokens": "did you mean 'max_output_tokens'?",
    "max_retries": "the route's `retry` in the file says how often",
    "max_tokens": "did you mean 'max_output_tokens'?",
    "messages": "they come after the route",
    "metadata": "did you mean 'tags'?",
    "model": "the route's `pick` in the file says which model answers",
    "prompt": "the messages come after the route",
    "response_format": "did you mean 'output'?",
    "schema": "did you mean 'output'?",
    "stream": "llm.stream(route, messages) gives the answer in pieces",
    "system": "a message of the role system says it",
    "timeout": "did you mean 'deadline'?",
    "top_k": "provider_options={KIND: {'top_k': …}} puts it into the request",
    "user_id": "did you mean 'user'?",
}
"""Keywords of other libraries' calls, and what does their work here."""

_PACKAGE = str(Path(__file__).parent)


class Client(Elsewhere):
    """Names that other clients have."""

    __slots__ = ()
    _elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("ask", "complete", "completion", "completions", "create", "generate", "invoke", "messages", "responses"),
            "write llm.chat(route, messages)",
        ),
        **dict.fromkeys(("embedding", "embeddings"), "write llm.embed(route, texts)"),
        **dict.fromkeys(("achat", "acompletion", "ainvoke"), "write await llm.aio.chat(route, messages)"),
        **dict.fromkeys(("astream", "stream_chat"), "write llm.stream(route, messages)"),
        "ranking": "write llm.rerank(route, query=…, documents=…)",
        "models": "see llm.config.deployments",
        "routes": "see llm.config.routes",
    }


class Awaited:
    """Base of what asyncio code uses."""

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is entered by `async with`")

        def __exit__(self, *_: Any) -> None:
            """Python looks for it first."""

        def __iter__(self) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is read by `async for`, once it is entered by `async with`")

        def __await__(self) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is not awaited; it is entered by `async with`")


class Blocking:
    """Base of what blocking code uses."""

    if not TYPE_CHECKING:

        async def __aenter__(self) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is entered by `with`; llm.aio is its asyncio twin")

        async def __aexit__(self, *_: Any) -> None:
            """Python looks for it first."""

        def __aiter__(self) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is read by `for`; llm.aio.stream is its asyncio twin")


def known_seams(seams: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse arguments that no client has.

    Raises:
        TypeError: there is one; names the nearest, or the file, where what other clients take stands.
    """
    unknown = next((name for name in seams if name not in known), None)
    if unknown is not None:
        from difflib import get_close_matches  # noqa: PLC0415

        near = get_close_matches(unknown, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "credentials, addresses and limits stand in the configuration"
        raise TypeError(f"a client has no argument {unknown!r}; {hint}")


def warn_of_blocking(work: Coroutine[Any, Any, Any]) -> None:
    """Warn, at the application's line, that a blocking call holds up the event loop that runs in this thread.

    Not in a notebook, whose loop has nothing else to do.
    """
    if "ipykernel" in sys.modules:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    message = "a blocking call holds up this thread's event loop; await llm.aio's instead, or use asyncio.to_thread"
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=level)
    except RuntimeWarning:
        work.close()
        raise
