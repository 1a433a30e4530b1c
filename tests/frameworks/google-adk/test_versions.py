"""Which Google ADK it works with, and what is said about another one."""

from __future__ import annotations

from typing import Any

import pytest
from google.adk.code_executors import BaseCodeExecutor
from google.adk.code_executors.code_execution_utils import CodeExecutionResult

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("google-adk", "google-adk")


def test_a_version_without_tools_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("google_adk", "google.adk.tools", ["FunctionTool", "__getattr__"], monkeypatch)
    versions.told("google-adk", "google-adk", "FunctionTool", message)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (BaseCodeExecutor.__pydantic_fields__, "timeout_seconds"),
        (CodeExecutionResult.__dataclass_fields__, "exit_code"),
    ],
)
def test_a_version_without_a_field(fields: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(fields, name)
    monkeypatch.delattr(CodeExecutionResult, name, raising=False)
    message = versions.without("google_adk", "google.adk.tools", [], monkeypatch)
    versions.told("google-adk", "google-adk", name, message)
