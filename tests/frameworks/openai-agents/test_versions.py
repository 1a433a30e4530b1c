"""Which version of OpenAI's agents it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from agents import FunctionTool

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("openai-agents", "openai-agents")


def test_a_version_without_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("openai_agents", "agents", ["FunctionTool", "__getattr__"], monkeypatch)
    versions.told("openai-agents", "openai-agents", "FunctionTool", message)


def test_a_version_without_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FunctionTool.__dataclass_fields__, "on_invoke_tool")
    message = versions.without("openai_agents", "agents", [], monkeypatch)
    versions.told("openai-agents", "openai-agents", "on_invoke_tool", message)
