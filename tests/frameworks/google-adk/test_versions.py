"""Which Google ADK it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from google.adk.code_executors import BaseCodeExecutor
from google.adk.code_executors.code_execution_utils import CodeExecutionResult

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("google-adk", "google-adk")


def test_a_version_without_tools_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("google_adk", "google.adk.tools", ["FunctionTool", "__getattr__"], monkeypatch)
    versions.told("google-adk", "google-adk", "FunctionTool", message)


def test_a_version_without_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as only_here:
        only_here.delitem(BaseCodeExecutor.__pydantic_fields__, "timeout_seconds")
        message = versions.without("google_adk", "google.adk.tools", [], only_here)
    versions.told("google-adk", "google-adk", "timeout_seconds", message)
    monkeypatch.delattr(CodeExecutionResult, "exit_code")
    message = versions.without("google_adk", "google.adk.tools", [], monkeypatch)
    versions.told("google-adk", "google-adk", "exit_code", message)
