"""The package itself: what importing it costs, and what it has."""

from __future__ import annotations

import subprocess
import sys

import pytest

import codemode


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, codemode; codemode.CodemodeError; print('pydantic' in sys.modules, 'asyncio' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )


def test_without_docstrings_the_meta_tools_stay_and_others_say_why() -> None:
    code = """
from codemode import ComponentRegistry, RegistryError
from codemode._meta import NAMES, meta_tools
assert set(meta_tools({})) == set(NAMES)
def it():
    "Has none at run time."
try:
    ComponentRegistry().register_tool(it)
except RegistryError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == (
        "tool 'it' has no description: models choose tools by it; write a docstring or pass description=… "
        "(python -OO removes docstrings)\n"
    )


def test_every_promised_name_exists() -> None:
    assert {name for name in codemode.__all__ if not hasattr(codemode, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        codemode.Nonsense  # noqa: B018
