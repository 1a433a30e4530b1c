"""Which Pydantic AI it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from pydantic_ai.toolsets.abstract import AbstractToolset

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("pydantic-ai", "pydantic-ai-slim")


def test_a_version_without_the_way_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("pydantic_ai", "pydantic_ai", ["ToolFailed", "__getattr__"], monkeypatch)
    versions.told("pydantic-ai", "pydantic-ai-slim", "ToolFailed", message)


def test_a_version_with_another_toolset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(AbstractToolset, "call_tool")
    message = versions.without("pydantic_ai", "pydantic_ai.tools", [], monkeypatch)
    versions.told("pydantic-ai", "pydantic-ai-slim", "call_tool", message)
