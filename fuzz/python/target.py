"""Runs one Python target under libFuzzer: `target.py NAME [libFuzzer's arguments]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["fuzzed_face"]):
    import properties

name = sys.argv.pop(1)
atheris.Setup(sys.argv, properties.TARGETS[name])
atheris.Fuzz()
