"""What an adapter says of a framework whose version it does not know."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib import metadata
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from codemode.integrations import _core


def is_in_the_range(extra: str, *packages: str) -> None:
    """The environment has a version of each package that the extra in pyproject.toml promises to work with."""
    promised = {found.name: found.specifier for found in map(Requirement, _core.requirements(extra))}
    assert promised.keys() == set(packages)
    for package, versions in promised.items():
        assert versions, f"the extra {extra} gives no range for {package}"
        assert metadata.version(package) in versions


def without(adapter: str, module: str, lacks: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What importing `codemode.integrations.{adapter}` says where `module` is of a version without these names."""
    real = importlib.import_module(module)
    older = ModuleType(module)
    older.__dict__.update({name: value for name, value in vars(real).items() if name not in lacks})
    monkeypatch.setitem(sys.modules, module, older)
    monkeypatch.delitem(sys.modules, f"codemode.integrations.{adapter}", raising=False)
    with pytest.raises(ImportError) as raised:
        importlib.import_module(f"codemode.integrations.{adapter}")
    return str(raised.value)


def told(extra: str, package: str, problem: str, message: str) -> None:
    """`message` names what is there, what works, what is missing, and the line of pip."""
    assert f"{package} {metadata.version(package)} is installed, but: " in message and problem in message
    assert all(needed in message for needed in _core.requirements(extra))
    assert message.endswith(f"Run: pip install 'codemode-runtime[{extra}]'")
