"""The pages of the documentation do what they say: each Python block runs, and prints the text that follows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from e2e.test_first_use import python

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["index", "quickstart", "concepts", "hybrid-execution", "security", "limits"])
def test_each_block_runs_and_prints_what_follows_it(page: str, tmp_path: Path) -> None:
    for folder in ("logs", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "logs" / "app.log").write_text("INFO start\nERROR api is down\nERROR api is down again\n")
    blocks = [found.groups() for found in BLOCK.finditer((DOCS / f"{page}.md").read_text())]
    programs = [text for kind, text in blocks if kind == "python"]
    assert programs, f"{page} has no program"
    told = [
        text
        for (kind, text), (before, _) in zip(blocks[1:], blocks, strict=False)
        if (kind, before) == ("text", "python")
    ]
    printed = python(f"import os; os.chdir({str(tmp_path)!r})\n" + "\n".join(programs))
    if told:
        assert printed == "".join(told)
