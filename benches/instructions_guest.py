"""`instructions_guest.py COUNT`: the guest's throw-away run so many times, for callgrind. See instructions.py."""

from __future__ import annotations

import sys

import warm_guest

if __name__ == "__main__":
    runner = warm_guest.prepare([])
    for _ in range(int(sys.argv[1])):
        runner.touch(warm_guest.Bridge)
