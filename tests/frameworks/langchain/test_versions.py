"""Which LangChain it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from langchain_core.tools import StructuredTool

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("langchain", "langchain-core")


def test_a_version_without_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    lacks = ["StructuredTool", "__getattr__"]  # it imports names when they are asked for
    message = versions.without("langchain", "langchain_core.tools", lacks, monkeypatch)
    versions.told("langchain", "langchain-core", "StructuredTool", message)


def test_a_version_without_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(StructuredTool.__pydantic_fields__, "response_format")
    message = versions.without("langchain", "langchain_core.tools", [], monkeypatch)
    versions.told("langchain", "langchain-core", "response_format", message)
