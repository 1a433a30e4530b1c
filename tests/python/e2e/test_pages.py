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


def test_the_limits_page_has_the_defaults_of_the_reference() -> None:
    reference = (DOCS / "reference" / "configuration.md").read_text()
    rows = re.findall(
        r"^\| `((?:limits|filesystem)\.[\w.]+)` \| ([^|]+) \|", (DOCS / "limits.md").read_text(), re.MULTILINE
    )
    listed = re.findall(r"^### `(limits\.\w+|filesystem\.\w+\.max_size)`$", reference, re.MULTILINE)
    assert {key for key, _ in rows} | {"limits.cpus"} == set(listed)
    for key, shown in rows:
        entry = reference.split(f"### `{key}`\n")[1].split("<a id")[0]
        default = re.search(r"^\| Default \| `?(.+?)`? \|$", entry, re.MULTILINE)
        value = re.sub(r" (s|characters|for each stream)$", "", shown).replace("\u00a0", "").replace(" 000", "000")
        assert value == default[1] if default else value.split(",")[0] in entry, f"{key}: {shown}"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("import subprocess; subprocess.run(['curl'])", "PermissionError: unauthorized_command: curl"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "PermissionError: [Errno 1]"),
        ("import socket; socket.getaddrinfo('example.com', 80)", "socket.gaierror"),
    ],
)
def test_what_a_refusal_looks_like_is_what_the_page_says(code: str, shown: str) -> None:
    table = (DOCS / "hybrid-execution.md").read_text().split("## When something is refused")[1]
    assert f"`{shown}`" in table
    program = f"""
from codemode import Codemode
with Codemode.local({{"execution": {{"allowed_commands": ["true"]}}}}) as codemode:
    print(codemode.execute({code!r}))
"""
    assert shown in python(program)
