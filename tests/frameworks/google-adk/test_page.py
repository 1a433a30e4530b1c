"""docs/frameworks/google-adk.md does what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frameworks import pages


def test_the_tool(scripted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    block, _ = pages.blocks("google-adk")
    program = "sum(order['items'] for order in tools.orders())"
    model = scripted.of(["tools.refund(order=7)"], [program], lambda answers: str(answers[-1]["result"]))
    pages.run("google-adk", block, model=model)
    assert capsys.readouterr().out.splitlines()[-1] == "7"
    assert "there is no tool 'refund'" in model.answers[0]["error"]


def test_the_executor(scripted: Any, run: Any, block: Any, said: Any) -> None:
    _, page = pages.blocks("google-adk")
    model = scripted.of(block("{'n': 40 + 2}"), said)
    made = pages.run("google-adk", page, model=model)
    with made["codemode"]:
        (last,) = run(made["agent"])
    assert json.loads(last) == ['Code execution result:\n{"n": 42}\n']
    assert "The code is run by CPython" in model.told
