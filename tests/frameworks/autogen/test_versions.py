"""Which AutoGen it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from autogen_core import CancellationToken

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("autogen", "autogen-core")


def test_a_version_without_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("autogen", "autogen_core.code_executor", ["CodeExecutor"], monkeypatch)
    versions.told("autogen", "autogen-core", "CodeExecutor", message)


def test_a_version_that_cancels_in_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CancellationToken, "link_future")
    message = versions.without("autogen", "autogen_core.code_executor", [], monkeypatch)
    versions.told("autogen", "autogen-core", "CancellationToken has no link_future", message)
