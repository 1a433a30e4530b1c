"""docs/frameworks/haystack.md does what it says."""

from __future__ import annotations

from typing import Any

import pytest

from frameworks import pages


def test_the_block_runs(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("haystack")
    it = script(
        ["tools.refund(order=7)"],
        ["sum(order['items'] for order in tools.orders(customer='Ada'))"],
        lambda answers: str(answers[-1]["result"]),
    )
    pages.run("haystack", block, model=it.model)
    assert capsys.readouterr().out.splitlines()[-1] == "7 7"
    assert "there is no tool 'refund'" in it.answers[0]
