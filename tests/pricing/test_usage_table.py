"""What raw vendor usage costs, row by row of `usage_table.yaml`: through the wire's reader and the bundled book."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import add, mul, sub, truediv
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.config import load_mapping
from orchestrator.registry import find
from orchestrator.spec.provider import Codecs, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.tariffs import tariff
from orchestrator.types.usage import Cost, Usage

TABLE = Path(__file__).with_name("usage_table.yaml")
MONDAY_NOON = "2026-11-23T12:00:00Z"

BASE_URLS = {
    "azure": "https://example.openai.azure.com",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "openai_compatible": "https://models.example.com/v1",
    "vertex": "https://aiplatform.googleapis.com",
}
"""Addresses for the kinds whose profile has none."""

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "bedrock": {"region": "us-east-1"},
    "vertex": {"project": "example", "location": "global"},
}

_OPERATORS = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv}


def evaluate(expression: str) -> Decimal:
    """The exact value of numbers, `+ - * /` and parentheses; anything else is refused."""
    return _value(ast.parse(expression, mode="eval").body, expression)


def _value(node: ast.expr, text: str) -> Decimal:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, text), _value(node.right, text))
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return Decimal(ast.get_source_segment(text, node) or "")  # the digits as written, not the nearest float
    raise ValueError(f"no arithmetic: {ast.dump(node)}")


def rows() -> list[dict[str, Any]]:
    """All rows, each with its kind; all values are text."""
    table = yaml.load(TABLE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return [{"kind": kind, **row} for kind, group in table["rows"].items() for row in group]


_OPENAI_CHAT: Mapping[str, Any] = {
    "id": "r1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
}
_GOOGLE_CHAT: Mapping[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}]
}
_TEXT = {"type": "text", "text": "ok"}
_OUTPUT_TEXT = {"type": "output_text", "text": "ok", "annotations": []}
_OUTPUT = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [_OUTPUT_TEXT]}

_CHATS: Mapping[str, Mapping[str, Any]] = {
    "anthropic": {
        "id": "r1",
        "type": "message",
        "role": "assistant",
        "content": [_TEXT],
        "stop_reason": "end_turn",
    },
    "bedrock": {"output": {"message": {"role": "assistant", "content": [{"text": "ok"}]}}, "stopReason": "end_turn"},
    "cohere": {"id": "r1", "message": {"role": "assistant", "content": [_TEXT]}, "finish_reason": "COMPLETE"},
    "google": _GOOGLE_CHAT,
    "openai_responses": {"id": "r1", "object": "response", "status": "completed", "output": [_OUTPUT]},
    "vertex": _GOOGLE_CHAT,
}
_VECTORS: Mapping[str, Mapping[str, Any]] = {
    "bedrock": {"embedding": [0.5, 0.5]},
    "cohere": {"embeddings": {"float": [[0.5, 0.5]]}},
    "google": {"embeddings": [{"values": [0.5, 0.5]}]},
    "vertex": {"predictions": [{"embeddings": {"values": [0.5, 0.5]}}]},
}
_USAGE_KEYS = {"google": "usageMetadata", "vertex": "usageMetadata"}


def reply_body(row: Mapping[str, Any]) -> dict[str, Any]:
    """A minimal whole reply of the row's vendor, with the row's usage where that vendor puts it.

    `beside` holds further fields of the reply, which stand beside the usage or in place of the usual ones.
    """
    kind, task = row["kind"], row.get("task", "chat")
    if task == "chat":
        body = dict(_CHATS.get(kind, _OPENAI_CHAT))
    elif task == "embed":
        body = dict(_VECTORS.get(kind) or {"data": [{"index": 0, "embedding": [0.5, 0.5]}]})
    else:
        body = {"data" if kind == "voyage" else "results": [{"index": 0, "relevance_score": 0.5}]}
    usage = json.loads(row["usage"])
    if kind == "bedrock" and task == "embed":
        body |= usage  # its count has no object of its own
    elif usage is not None:
        body["meta" if kind == "cohere" and task != "chat" else _USAGE_KEYS.get(kind, "usage")] = usage
    served = row.get("served", row["model"])
    return {"model": served, "modelVersion": served, **body, **json.loads(row.get("beside", "{}"))}


def read_reply(row: Mapping[str, Any], wire: Wire) -> tuple[Usage, str | None]:
    """Usage and served model, as the real wire reads them."""
    profile = wire.profile
    base_url = BASE_URLS.get(row["kind"]) or profile.base_url or "https://models.example.com"
    settings = SETTINGS.get(row["kind"], {})
    codecs: Codecs = wire.bind(
        Target(profile=profile, provider="p", deployment="d", model=row["model"], base_url=base_url, settings=settings)
    )
    codec = getattr(codecs, row.get("task", "chat"))
    result = codec.decode(HttpReply(200, {}, json.dumps(reply_body(row)).encode()))
    return result.usage or Usage(), result.model


def price(row: Mapping[str, Any]) -> Cost:
    """What the row's reply costs a file that names the kind and the model, and nothing else."""
    kind = find(row["kind"])
    provider = {"kind": row["kind"], **SETTINGS.get(row["kind"], {}), **json.loads(row.get("provider", "{}"))}
    if kind.profile.key_required:
        provider["api_key"] = {"env": "KEY"}
    if row["kind"] in BASE_URLS and row["kind"] not in SETTINGS:
        provider.setdefault("base_url", BASE_URLS[row["kind"]])
    task = row.get("task", "chat")
    data = {
        "version": 1,
        "providers": {"p": provider},
        "deployments": {"d": {"provider": "p", "model": row["model"]}},
        "routes": {"r": {"task": task, "pick": "d"}},
    }
    config = load_mapping(data, environ={"KEY": "none"})
    usage, served = read_reply(row, kind) if isinstance(kind, Wire) else (Usage(), None)
    at = datetime.fromisoformat(row.get("at", MONDAY_NOON)).astimezone(UTC)
    return tariff(config.providers["p"], config.deployments["d"], kind)(usage, served, at)


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['kind']}: {row['name']}") for row in rows()])
def test_usage_costs_what_the_vendors_rule_says(row: dict[str, Any]) -> None:
    """Each row's raw usage, read by the real wire and priced by the bundled book, costs the sum worked by hand."""
    cost = price(row)
    if "unknown" in row:
        assert (cost.total, cost.unknown) == (None, row["unknown"])
    else:
        assert cost.unknown is None
        assert cost.total == evaluate(row["cost"])


def test_rows_are_told_apart_and_explained() -> None:
    """No two rows of a kind share a name, and each has a rule and either a cost or the reason why there is none."""
    every = rows()
    assert [key for key, count in Counter((row["kind"], row["name"]) for row in every).items() if count > 1] == []
    assert [row["name"] for row in every if not row.get("rule") or ("cost" in row) == ("unknown" in row)] == []


@pytest.mark.parametrize(
    ("expression", "value"),
    [("(1000-200)*2.5e-6 + 200*1.25e-6", "0.00225"), ("0.1 + 0.2", "0.3"), ("3/4 - 0.5", "0.25"), ("0", "0")],
)
def test_expressions_are_exact(expression: str, value: str) -> None:
    """The evaluator works in decimals, by the usual precedence."""
    assert evaluate(expression) == Decimal(value)


@pytest.mark.parametrize("expression", ["2**9", "a*2", "len('ab')", "1 if 1 else 2", "True", "-1", "'1'"])
def test_expressions_hold_arithmetic_alone(expression: str) -> None:
    """The evaluator runs no code: names, calls, powers and the like are refused."""
    with pytest.raises(ValueError, match="no arithmetic"):
        evaluate(expression)
