"""Puts the page together: template, style, script and data in one file, under a policy that forbids the network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import orjson

__all__ = ["render"]

_SCRIPTS = ("numbers.js", "elements.js", "data.js", "charts.js", "tables.js", "views.js", "budgets.js", "main.js")
_COMPRESS_ABOVE = 200_000
"""Bytes of JSON. Below that the page stays readable as text; above, gzip and base64 halve it."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")


def render(data: Mapping[str, Any], *, title: str = "What the calls cost") -> str:
    """The page as HTML.

    Args:
        data: from `page_data`.
        title: the page's heading.
    """
    script = "(() => {\n'use strict';\n" + "\n".join(_part(name) for name in _SCRIPTS) + "\n})();\n"
    style = _part("style.css")
    kind, payload = _payload(data)
    slots = {
        "title": html.escape(title),
        "policy": _policy(script, style),
        "style": style,
        "script": script,
        "kind": kind,
        "data": payload,
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], _part("template.html"))


def _part(name: str) -> str:
    return files("orchestrator.dashboards.page").joinpath(name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    rules = f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}"
    return rules + "; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _payload(data: Mapping[str, Any]) -> tuple[str, str]:
    raw = orjson.dumps(data)
    if len(raw) > _COMPRESS_ABOVE:
        return "application/gzip", base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode()
    # "<" would let a name of the log end the script element that holds the data.
    return "application/json", raw.decode().replace("<", "\\u003c")
