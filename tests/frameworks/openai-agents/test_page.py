"""docs/frameworks/openai-agents.md does what it says."""

from __future__ import annotations

import pytest
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

from frameworks import pages


def test_the_blocks_run(capsys: pytest.CaptureFixture[str]) -> None:
    programs = ["tools.refund(order=7)", "sum(order['items'] for order in tools.orders(customer='Ada'))"]
    model = ScriptedModel(
        [
            *([function_call("codemode", {"code": program}, call_id=program)] for program in programs),
            ModelStep.respond(lambda call: [assistant_message(call.input[-1]["output"])]),
        ]
    )
    blocks = pages.blocks("openai-agents")
    assert len(blocks) == 2
    for block in blocks:
        pages.run("openai-agents", block, model=model)
    assert capsys.readouterr().out.splitlines() == ["7", "4"]
    assert model.last_call and "there is no tool 'refund'" in model.last_call.input[2]["output"]
