"""docs/frameworks/deepagents.md does what it says."""

from __future__ import annotations

import pytest

from frameworks import pages
from frameworks.langchain.agents import Scripted


def test_the_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("deepagents")
    model = Scripted.of(
        ["sum(order['items'] for order in tools.orders(customer='Ada'))"],
        lambda answers: [("write_file", {"file_path": "/sandbox/items.txt", "content": answers[0]})],
        [("execute", {"command": "cat items.txt"})],
        lambda answers: answers[-1].splitlines()[0],
    )
    pages.run("deepagents", block, model=model)
    assert capsys.readouterr().out.splitlines()[-1] == "7"
