"""The site of docs/ has every page in its navigation. `make docs` checks the links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
SETTINGS = (ROOT / "mkdocs.yml").read_text()
NAVIGATION = SETTINGS.partition("\nnav:\n")[2].partition("\n\n")[0]
ENTRIES = re.findall(r"- (?:[\w ]+: )?([\w/.-]+(?:\.md|/))$", NAVIGATION, re.MULTILINE)


def test_each_page_is_in_the_navigation_once() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    named = [page for entry in ENTRIES for page in (sorted_pages(entry) if entry.endswith("/") else [entry])]
    assert len(named) == len(set(named))
    # The documents at the top of the repository have their pages by a hook.
    assert pages == {page for page in named if not page.startswith("project/")}


def test_the_documents_at_the_top_are_in_the_navigation() -> None:
    hooks = (ROOT / "tools" / "docs_hooks.py").read_text()
    documents = dict(re.findall(r'^    "(\w+\.md)": "(project/[\w-]+\.md)",$', hooks, re.MULTILINE))
    assert set(documents) == {path.name for path in ROOT.glob("*.md")}
    assert sorted(documents.values()) == sorted(entry for entry in ENTRIES if entry.startswith("project/"))


def test_a_page_has_one_heading_at_its_top() -> None:
    """By which the navigation calls it."""
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        assert len(re.findall(r"^# \S", text, re.MULTILINE)) == 1, page


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert "strict: true" in SETTINGS and "font: false" in SETTINGS
    assert not re.search(r"extra_(javascript|css)|google|cdn", SETTINGS)


def sorted_pages(folder: str) -> list[str]:
    return sorted(path.relative_to(DOCS).as_posix() for path in (DOCS / folder).glob("*.md"))
