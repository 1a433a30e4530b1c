"""`instructions_guest.py COUNT`: the guest's throw-away run so many times, for callgrind. See instructions.py."""

from __future__ import annotations

import importlib
import sys

import warm_guest

if __name__ == "__main__":
    warm_guest.prepare([])
    warming = importlib.import_module("_codemode.warming")
    for _ in range(int(sys.argv[1])):
        warming.warm_up(warm_guest.Bridge, warming.FIRST)
