"""docs/frameworks/ag2.md does what it says."""

from __future__ import annotations

from typing import Any

import pytest

from frameworks import pages


def test_the_block_runs(turns: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("ag2")
    it = turns(["tools.refund(order=7)"], ["sum(order['items'] for order in tools.orders(customer='Ada'))"])
    pages.run("ag2", block, config=it.config)
    assert capsys.readouterr().out.splitlines()[-1] == "done"
    assert "there is no tool 'refund'" in it.answers[0][0] and it.answers[1] == ["7"]
    assert "def refund(" not in it.calls[0].prompt[0]
