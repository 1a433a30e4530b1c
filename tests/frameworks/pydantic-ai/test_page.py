"""docs/frameworks/pydantic-ai.md does what it says."""

from __future__ import annotations

from typing import Any

import pytest

from frameworks import pages


def test_the_block_runs(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("pydantic-ai")
    it = script(
        ["tools.refund(order=7)"],
        ["sum(order.pieces for order in tools.orders(customer='Ada'))"],
        lambda answers: str(answers[-1]["result"]),
    )
    pages.run("pydantic-ai", block, model=it.model)
    assert capsys.readouterr().out.splitlines()[-1] == "7"
    assert "there is no tool 'refund'" in it.answers[0]
