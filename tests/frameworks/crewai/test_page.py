"""docs/frameworks/crewai.md does what it says."""

from __future__ import annotations

import pytest

from frameworks import pages
from frameworks.crewai.crews import Scripted, value


def test_the_block_runs(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("crewai")
    model = Scripted.of(
        mode,
        ["tools.refund(order=7)"],
        ["sum(order['items'] for order in tools.orders(customer='Ada'))"],
        lambda answers: str(value(answers[-1])),
    )
    pages.run("crewai", block, llm=model)
    assert capsys.readouterr().out.splitlines()[-1] == "7"
    assert "there is no tool 'refund'" in model.answers[0]
