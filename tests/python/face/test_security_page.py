"""SECURITY.md names a proof for each promise. Each has to exist, or the promise is a wish."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "SECURITY.md"

TEXT = PAGE.read_text()
ROWS = [
    cells
    for line in TEXT.partition("## What is promised")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ")
    for cells in [[cell.strip() for cell in line.strip("|").split(" | ")]]
    if cells[0] not in ("promise", "---")
]


def programs() -> set[str]:
    files = (ROOT / "tests" / "security").glob("corpus-*.jsonl")
    return {json.loads(line)["id"] for file in files for line in file.read_text().splitlines()}


def test_every_promise_names_a_proof() -> None:
    assert len(ROWS) > 15
    assert [cells[0] for cells in ROWS if not re.search(r"`[^`]+`|program \S+", cells[1])] == []


def test_every_proof_exists() -> None:
    known = programs()
    missing = [name for name in re.findall(r"program ([a-z-]+\d+)", TEXT) if name not in known]
    for reference in re.findall(r"`((?:tests|crates)/[^`*]+)`", TEXT):
        file, _, name = reference.partition("::")
        path = ROOT / file
        if not path.is_file() or (name and not re.search(rf"(def|fn) {name}\b", path.read_text())):
            missing.append(reference)
    assert missing == []


def test_the_weaker_tier_is_described_in_the_words_of_the_product() -> None:
    source = (ROOT / "crates" / "codemode-sandbox" / "src" / "probe" / "promises.rs").read_text()
    said = re.findall(r'^    "(.*)",$', source, re.MULTILINE)
    listed = TEXT.partition("container: begin -->\n")[2].partition("<!--")[0]
    assert said
    assert [line.removeprefix("- ") for line in listed.splitlines()] == said
