"""Lets the model call functions until it has an answer.

OPENAI_API_KEY=... python app.py "Do I need an umbrella in Bergen?"
python offline.py                                   # the same with a simulated vendor: no key, no network
"""

import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from orchestrator import Message, Orchestrator, Text, Tool, ToolCall, ToolResult

CONFIG = Path(__file__).with_name("orchestrator.yaml")
MOST_ROUNDS = 5


class Forecast(BaseModel):
    """What the model has to say to get a forecast."""

    city: str
    days: int = 1


def forecast(wanted: Forecast) -> str:
    rain_mm = {"Bergen": 12, "Madrid": 0}.get(wanted.city)
    if rain_mm is None:
        raise LookupError(f"no station in {wanted.city}")
    return f"{rain_mm} mm of rain in the next {wanted.days * 24} hours"


TOOLS = [Tool(name="forecast", description="Rain to come.", parameters=Forecast.model_json_schema())]
FUNCTIONS: dict[str, Callable[[ToolCall], str]] = {
    "forecast": lambda call: forecast(Forecast.model_validate(call.arguments)),
}


def run(call: ToolCall) -> ToolResult:
    """A mistake goes back to the model, which usually corrects it."""
    try:
        return ToolResult(id=call.id, content=FUNCTIONS[call.name](call))
    except (KeyError, LookupError, ValidationError) as error:
        return ToolResult(id=call.id, content=str(error), is_error=True)


def answer(llm: Orchestrator, question: str) -> str:
    history = [Message("user", (Text(question),))]
    for _ in range(MOST_ROUNDS):
        reply = llm.chat("answer", history, tools=TOOLS)
        history.append(reply.message)
        if not reply.tool_calls:
            return reply.text
        history.append(Message("tool", tuple(run(call) for call in reply.tool_calls)))
    raise RuntimeError(f"no answer after {MOST_ROUNDS} rounds")


def main(question: str) -> None:
    with Orchestrator.from_file(CONFIG) as llm:
        print(answer(llm, question))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Do I need an umbrella in Bergen?")
