"""Which deepagents it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from deepagents.backends.sandbox import BaseSandbox

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("deepagents", "deepagents")


def test_a_version_without_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("deepagents", "deepagents.backends.protocol", ["ExecuteResponse"], monkeypatch)
    versions.told("deepagents", "deepagents", "ExecuteResponse", message)


def test_a_version_without_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(BaseSandbox, "download_files")
    monkeypatch.delattr(BaseSandbox.__mro__[2], "download_files")
    message = versions.without("deepagents", "deepagents.backends.sandbox", [], monkeypatch)
    versions.told("deepagents", "deepagents", "download_files", message)
