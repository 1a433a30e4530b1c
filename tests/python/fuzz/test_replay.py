"""The Python fuzz targets, on their seeds and on every input that was ever found."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[3] / "fuzz"


def _load():
    spec = importlib.util.spec_from_file_location("fuzz_properties", FUZZ / "python/properties.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TARGETS = _load().TARGETS
INPUTS = [
    (target, path)
    for target in sorted(TARGETS)
    for kind in ("seeds", "regressions")
    for path in sorted((FUZZ / kind / target).glob("*"))
]


@pytest.mark.parametrize(("target", "path"), INPUTS, ids=lambda part: getattr(part, "name", part))
def test_replay(target, path):
    TARGETS[target](path.read_bytes())


def test_every_target_has_seeds():
    assert {target for target, path in INPUTS} == set(TARGETS)
