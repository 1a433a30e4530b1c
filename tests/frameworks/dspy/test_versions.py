"""Which DSPy it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from dspy.primitives.code_interpreter import CodeInterpreter

from frameworks import versions

MODULE = "dspy.primitives.code_interpreter"


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("dspy", "dspy")


def test_a_version_without_the_error_that_a_model_can_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("dspy", MODULE, ["CodeExecutionError"], monkeypatch)
    versions.told("dspy", "dspy", "CodeExecutionError", message)


def test_a_version_with_another_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CodeInterpreter, "shutdown")
    message = versions.without("dspy", MODULE, [], monkeypatch)
    versions.told("dspy", "dspy", "shutdown", message)
