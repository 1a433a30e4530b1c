"""docs/frameworks/langchain.md does what it says."""

from __future__ import annotations

import pytest

from frameworks import pages
from frameworks.langchain.agents import Scripted


def test_the_blocks_run(capsys: pytest.CaptureFixture[str]) -> None:
    model = Scripted.of(
        ["tools.refund(order=7)"],
        ["sum(order['items'] for order in tools.orders(customer='Ada'))"],
        lambda answers: answers[-1],
    )
    blocks = pages.blocks("langchain")
    assert len(blocks) == 3
    pages.run("langchain", "\n".join(blocks), model=model)
    assert capsys.readouterr().out.splitlines() == ["7", "error True", "ok True"]
    assert "there is no tool 'refund'" in model.answers[0]
