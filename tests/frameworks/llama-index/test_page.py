"""docs/frameworks/llama-index.md does what it says."""

from __future__ import annotations

from typing import Any

import pytest

from frameworks import pages


def test_the_block_runs(scripted: Any, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("llama-index")
    model = scripted.of(
        "tools.refund(order=7)",
        "of_ada = orders('Ada')",
        "sum(order['items'] for order in of_ada)",
        said,
    )
    pages.run("llama-index", block, llm=model)
    assert capsys.readouterr().out.splitlines()[-1] == "I know it: 7"
    assert "there is no tool 'refund'" in model.answers[0] and "def orders(self, *, customer: str)" in model.told
