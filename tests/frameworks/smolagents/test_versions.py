"""Which smolagents it works with, and what is said about another one."""

from __future__ import annotations

import inspect

import pytest
from smolagents import CodeAgent
from smolagents.local_python_executor import PythonExecutor

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("smolagents", "smolagents")


def test_a_version_without_what_runs_code(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("smolagents", "smolagents.local_python_executor", ["CodeOutput"], monkeypatch)
    versions.told("smolagents", "smolagents", "CodeOutput", message)


def test_a_version_whose_agents_have_an_executor_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = inspect.signature(CodeAgent).parameters
    others = [parameter for name, parameter in parameters.items() if name != "executor"]
    monkeypatch.setattr(CodeAgent, "__signature__", inspect.Signature(others), raising=False)
    message = versions.without("smolagents", "smolagents.local_python_executor", [], monkeypatch)
    versions.told("smolagents", "smolagents", "CodeAgent takes no executor", message)


def test_a_version_that_sends_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(PythonExecutor, "send_variables")
    message = versions.without("smolagents", "smolagents.local_python_executor", [], monkeypatch)
    versions.told("smolagents", "smolagents", "send_variables", message)
