"""docs/crewai.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from frameworks.crewai.crews import Scripted, value

PAGE = Path(__file__).parents[3] / "docs" / "crewai.md"


def test_the_block_runs(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    model = Scripted.of(
        mode,
        ["tools.refund(order=7)"],
        ["sum(order['items'] for order in tools.orders(customer='Ada'))"],
        lambda answers: str(value(answers[-1])),
    )
    exec(compile(block, str(PAGE), "exec"), {"llm": model, "__name__": "page"})
    assert capsys.readouterr().out.splitlines()[-1] == "7"
    assert "there is no tool 'refund'" in model.answers[0]
