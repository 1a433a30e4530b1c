"""Which Haystack it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from haystack.tools import Tool

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("haystack", "haystack-ai")


def test_a_version_without_the_way_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("haystack", "haystack.tools.errors", ["ToolInvocationError"], monkeypatch)
    versions.told("haystack", "haystack-ai", "ToolInvocationError", message)


def test_a_version_that_cannot_be_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Tool, "invoke_async")
    message = versions.without("haystack", "haystack.tools.errors", [], monkeypatch)
    versions.told("haystack", "haystack-ai", "invoke_async", message)
