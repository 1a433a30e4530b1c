"""Which CrewAI it works with, and what is said about another one."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from types import ModuleType

import pytest
from crewai.tools import BaseTool
from packaging.requirements import Requirement

from codemode.integrations import crewai as adapter


def test_the_extra_is_the_range_that_is_told_and_this_version_is_in_it() -> None:
    extras = [Requirement(line) for line in metadata.requires("codemode-runtime") or ()]
    (extra,) = (it for it in extras if it.name == "crewai")
    assert extra.marker and extra.marker.evaluate({"extra": "crewai"})
    told = Requirement(adapter.WORKS_WITH)
    assert (told.name, told.specifier) == (extra.name, extra.specifier)
    assert metadata.version("crewai") in told.specifier


@pytest.mark.parametrize(("lacks", "said"), [("ToolFailure", "ToolFailure"), ("result_schema", "result_schema")])
def test_a_version_without_the_interface(lacks: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(BaseTool):
        pass

    tools = ModuleType("crewai.tools")
    tools.BaseTool = type("BaseTool", (), {"model_fields": {k: v for k, v in Old.model_fields.items() if k != lacks}})
    if lacks != "ToolFailure":
        tools.ToolFailure = object
    monkeypatch.setitem(sys.modules, "crewai.tools", tools)
    monkeypatch.delitem(sys.modules, adapter.__name__)
    with pytest.raises(ImportError) as raised:
        importlib.import_module(adapter.__name__)
    message = str(raised.value)
    assert f"crewai {metadata.version('crewai')} is installed, but" in message and said in message
    assert adapter.WORKS_WITH in message and message.endswith("Run: pip install 'codemode-runtime[crewai]'")
