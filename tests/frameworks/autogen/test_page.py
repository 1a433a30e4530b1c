"""docs/frameworks/autogen.md does what it says."""

from __future__ import annotations

import pytest
from autogen_ext.models.replay import ReplayChatCompletionClient

from frameworks import pages


def test_the_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = pages.blocks("autogen")
    program = "sum(order['items'] for order in tools.orders(customer='Ada'))"
    model = ReplayChatCompletionClient([f"```python\n{program}\n```", "Seven."])
    pages.run("autogen", block, model=model)
    assert capsys.readouterr().out.splitlines()[-1] == "Seven."
    first, second = (call["messages"] for call in model.create_calls)
    assert "def orders(" in first[0].content and "def refund(" not in first[0].content
    assert second[-1].content == "7"
