"""Which FastMCP it works with, and what is said about another one."""

from __future__ import annotations

import pytest

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("fastmcp", "fastmcp")


def test_a_version_without_sandboxes_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "fastmcp.experimental.transforms.code_mode"
    message = versions.without("fastmcp", module, ["SandboxProvider"], monkeypatch)
    versions.told("fastmcp", "fastmcp", "SandboxProvider", message)
