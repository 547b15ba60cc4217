"""Files with one mistake each, and the message that a person reads."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from kinds import ENVIRON, find

from orchestrator.config import load_file
from orchestrator.errors import ConfigError

HEAD = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}}
  cohere: {kind: cohere, api_key: {env: CO_API_KEY}}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
  te3: {provider: openai, model: text-embedding-3-small}
"""


def message(tmp_path: Path, text: str) -> str:
    """The error of a file with this text; the directory is taken out."""
    file = tmp_path / "o.yaml"
    file.write_text(textwrap.dedent(text))
    with pytest.raises(ConfigError) as caught:
        load_file(file, find=find, environ=ENVIRON)
    assert caught.value.files[0] == str(file)
    return str(caught.value).replace(f"{tmp_path}/", "")


def provider(body: str) -> str:
    """A file whose provider, on line 3, is this."""
    return f"version: 1\nproviders:\n  p: {{{body}}}\ndeployments:\n  d: {{provider: p, model: m}}\nroutes: {{a: d}}\n"


def deployment(body: str) -> str:
    """A file whose deployment on line 8 has these further keys."""
    return HEAD + f"  d: {{provider: openai, model: m, {body}}}\nroutes: {{a: d}}\n"


def route(body: str) -> str:
    """A file whose route, on line 9, is this."""
    return HEAD + f"routes:\n  a: {{{body}}}\n"


def top(line: str) -> str:
    """A file with this as its third line."""
    return f"version: 1\nroutes: {{a: openai/m}}\n{line}\n"
