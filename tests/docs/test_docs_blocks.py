"""Every code block of README.md and docs/*.md runs as it stands, or says why not and is at least compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from blocks import PAGES, Folder, blocks, variables

pytestmark = pytest.mark.skipif(len(PAGES) < 2, reason="the sources are not part of this installation")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of the page, one after the other, do what the page says."""
    found = blocks(page)
    monkeypatch.chdir(tmp_path)
    for name in variables(found):
        monkeypatch.setenv(name, "redis://127.0.0.1:1/0" if name == "REDIS_URL" else "test-0123456789abcdef")
    with Folder.open(tmp_path) as folder:
        for block in found:
            try:
                folder.run(block)
            except Exception as error:
                raise AssertionError(f"{block.where}: {type(error).__name__}: {error}") from error


def test_a_block_that_fails_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose code, file, command or output is wrong is found out, with its line."""
    monkeypatch.chdir(tmp_path)
    wrong = {
        "python": "1 / 0\n",
        "sh": "orchestrator no-such-command\n",
        "yaml": "version: 1\nroutes: {answer: openai/gpt-4o-mini}\nno_such_key: 1\n",
        "toml": "key = 1\n",
    }
    for language, code in wrong.items():
        page = tmp_path / f"{language}.md"
        page.write_text(f"# Title\n\n```{language}\n{code}```\n")
        (block,) = blocks(page)
        assert block.where == f"{language}.md:4"
        with Folder.open(tmp_path) as folder, pytest.raises((Exception, AssertionError)):
            folder.run(block)
    page = tmp_path / "output.md"
    page.write_text("```python\nprint(1, 2)\n```\n\n<!-- output -->\n```text\n1 3\n```\n")
    first, second = blocks(page)
    with Folder.open(tmp_path) as folder:
        folder.run(first)
        with pytest.raises(AssertionError, match=r"output\.md:7"):
            folder.run(second)
