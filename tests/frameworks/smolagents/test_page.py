"""docs/frameworks/smolagents.md does what it says."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from frameworks import pages


def test_the_block_runs(scripted: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("smolagents")
    # smolagents reads the source of its tools.
    program = tmp_path / "page.py"
    program.write_text(block)
    model = scripted(
        "refund(7)",
        "prices = [order['price'] for order in orders('Ada')]",
        "final_answer(sum(prices) * rate('USD'))",
    )
    runpy.run_path(str(program), {"model": model})
    assert capsys.readouterr().out.splitlines()[-1] == "50.0"
    assert "name 'refund' is not defined" in model.answers[0] and "def refund(" not in model.told
