"""Which AG2 it works with, and what is said about another one."""

from __future__ import annotations

import pytest
from ag2.tools.code import CodeEnvironment

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("ag2", "ag2")


def test_a_version_without_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("ag2", "ag2.tools.code", ["CodeEnvironment"], monkeypatch)
    versions.told("ag2", "ag2", "CodeEnvironment", message)


def test_a_version_with_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CodeEnvironment, "run")
    message = versions.without("ag2", "ag2.tools.code", [], monkeypatch)
    versions.told("ag2", "ag2", "CodeEnvironment has no run", message)
