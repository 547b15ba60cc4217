"""The pages hold together: links resolve, every page is in the navigation, tables are what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from blocks import PAGES, ROOT

from orchestrator.config.editor import json_schema
from orchestrator.config.yaml import plain

DOCS = ROOT / "docs"
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+?)(?: \{#([\w-]+)\})?$", re.MULTILINE)

pytestmark = pytest.mark.skipif(len(PAGES) < 2, reason="the sources are not part of this installation")


def anchors(page: Path) -> set[str]:
    """The anchors of its headings, as the generator and GitHub make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {own or slug(title) for title, own in _HEADING.findall(text)}


def slug(title: str) -> str:
    plain = re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower()
    return re.sub(r"[-\s]+", "-", plain)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "providers" / "README.md"], ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    """Each link of the page leads to a file that is there, and to a heading that it has."""
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if ":" in path:
            assert path.startswith("https://"), link
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leads out of the project"
        if page.parent == DOCS:
            assert target.is_relative_to(DOCS), f"{page.name}: {link} is not part of the site"
        assert not anchor or target.name == "reference.md" or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_keys_in_a_sentence_can_be_written(page: Path) -> None:
    """What the page's sentences say to write at the top of the file (`breaker: off`) has a key and a value of its."""
    schema = json_schema()
    validator = jsonschema_rs.validator_for(schema)
    for span in re.findall(r"(?<!`)`([^`\n]+: [^`\n]+)`(?!`)", re.sub(r"(?s)```.*?```", "", page.read_text())):
        written = _as_yaml(span)
        if isinstance(written, dict) and written.keys() <= schema["properties"].keys():
            found = validator.iter_errors({"version": 1, "routes": {"a": "openai/m"}, **written})
            assert not [error.message for error in found], f"{page.name}: {span}"


def _as_yaml(span: str) -> object:
    """As the file's reader takes it; None where it is no YAML, or leaves something out."""
    try:
        found = None if {"...", "…"} & set(re.findall(r"\.{3}|…", span)) else yaml.load(span, yaml.BaseLoader)
    except yaml.YAMLError:
        return None
    return _plain(found)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else plain(str(value))


def test_every_page_is_in_the_navigation() -> None:
    """The site's navigation and the README's table of contents name each page of docs/ once."""
    project = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    listed = [path for entry in project["nav"] for path in entry.values()]
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))
    linked = re.findall(r"\]\(docs/([\w-]+\.md)\)", (ROOT / "README.md").read_text())
    assert set(linked) | {"index.md"} == set(listed)


def test_generated_tables_are_current() -> None:
    """The tables of keys, kinds, log lines and errors are what the code says today."""
    script = ROOT / "scripts" / "build_docs.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
