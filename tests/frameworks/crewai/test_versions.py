"""Which CrewAI it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from crewai.tools import BaseTool

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("crewai", "crewai")


def test_a_version_without_the_way_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("crewai", "crewai.tools", ["ToolFailure"], monkeypatch)
    versions.told("crewai", "crewai", "ToolFailure", message)


def test_a_version_without_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(BaseTool.__pydantic_fields__, "result_schema")
    message = versions.without("crewai", "crewai.tools", [], monkeypatch)
    versions.told("crewai", "crewai", "result_schema", message)
