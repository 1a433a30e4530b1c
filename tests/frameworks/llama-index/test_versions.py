"""Which LlamaIndex it works with, and what is said about another one."""

from __future__ import annotations

import pytest

from frameworks import versions


def test_this_version_is_in_the_range_of_the_extra() -> None:
    versions.is_in_the_range("llama-index", "llama-index-core")


def test_a_version_without_agents_that_act_by_code(monkeypatch: pytest.MonkeyPatch) -> None:
    message = versions.without("llama_index", "llama_index.core.agent.workflow", ["CodeActAgent"], monkeypatch)
    versions.told("llama-index", "llama-index-core", "CodeActAgent", message)
