"""Mistakes in a program, and what Python shows of each: the line, the error's type and its text."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from screens import expect
from wrong_code import CODE, CONFIG

from orchestrator import (
    AsyncOrchestrator,
    Media,
    Message,
    Orchestrator,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    context,
    testing,
)

HIDDEN = "hunter2"
UNNOTICED = "nothing is noticed"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCRIPTS = {
    "answer": "The Team plan.",
    "forecast": ToolCall(id="call_1", name="forecast", arguments={"city": "Bergen"}),
    "invoice": {"number": "7", "total": 12.5},
    "search": True,
    "rank": True,
}


class Invoice(BaseModel):
    number: str
    total: float


class Order(BaseModel):
    customer: str
    total: float


def names() -> dict[str, Any]:
    """What a piece may use."""
    return {
        "ASK": Message("user", (Text("Will it rain?"),)),
        "CONFIG": CONFIG,
        "FORECAST": Tool(name="forecast", description="Rain to come.", parameters=CITY),
        **{one.__name__: one for one in (AsyncOrchestrator, Callable, Invoice, Media, Message, Orchestrator, Order)},  # type: ignore[attr-defined]
        **{one.__name__: one for one in (BaseModel, Text, Tool, ToolResult, dataclass, datetime)},
        "asyncio": asyncio,
        "context": context,
        "json": json,
        "print": lambda *_: None,
        "PROVIDERS": CONFIG["providers"],
        "__name__": __name__,
    }


def shown(code: str, file: Path) -> str:
    """Run it; the line at which it went wrong, as its author sees it, and what Python says there."""
    file.write_text(code)
    compiled = compile(code, str(file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    llm = Orchestrator(CONFIG)
    space = names() | {"llm": llm, "aio": llm.aio}
    with warnings.catch_warnings(record=True) as warned, testing.use(**SCRIPTS):
        warnings.simplefilter("always")
        try:
            coroutine = eval(compiled, space)
            if inspect.iscoroutine(coroutine):
                asyncio.run(coroutine)
        except Exception as error:
            told = said(error, file)
        else:
            told = UNNOTICED
        finally:
            space.clear()
            llm.close()
    lines = [f"{placed(one, file)}{one.category.__name__}: {one.message}" for one in warned]
    return "\n".join([told, *lines] if told != UNNOTICED or not lines else lines)


def placed(warning: warnings.WarningMessage, file: Path) -> str:
    """The line that it is shown at. Python's own, of a coroutine that nobody awaited, comes when that is collected."""
    own = issubclass(warning.category, RuntimeWarning) and "never awaited" in str(warning.message)
    assert own or warning.filename == str(file), warning
    return "" if own else f"{file.name}:{warning.lineno}: "


def said(error: Exception, file: Path) -> str:
    """The author's last line in the traceback, and the error. An error without such a line would be a riddle."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    assert frames, f"no line of the program in the traceback of {error!r}"
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    return f"    {frames[-1].line}\n{type(error).__name__}: {error}{notes}"


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("area", CODE)
def test_every_mistake_in_code_is_an_error_at_its_line_that_names_the_fix(area: str, tmp_path: Path) -> None:
    """Type and text of the error, the program's own line last in its part of the traceback, no prompt and no key."""
    screens = {title: shown(code, tmp_path / "app.py") for title, code in CODE[area].items()}
    for title, screen in screens.items():
        text = "\n".join(line for line in screen.split("\n") if not line.startswith("    "))
        assert HIDDEN not in text, title
        assert screen != UNNOTICED, title
    expect(f"code-{area}", screens)
