"""docs/frameworks/dspy.md does what it says."""

from __future__ import annotations

from typing import Any

import dspy
import pytest

from frameworks import pages


def test_the_block_runs(scripted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("dspy")
    model = scripted(
        "refund(7)",
        "prices = [order['price'] for order in orders(customer)]",
        "SUBMIT(sum(prices) * rate(currency))",
    )
    try:
        pages.run("dspy", block, lm=model)
    finally:
        dspy.configure(lm=None)
    assert capsys.readouterr().out.splitlines()[-1] == "50.0"
    assert "name 'refund' is not defined" in model.history[1]["messages"][-1]["content"]
    assert "def refund(" not in model.told
