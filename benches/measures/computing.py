"""Code that computes, in a sandbox and in the same CPython outside, in turns; and what `preload` saves."""

from __future__ import annotations

import json
import subprocess
import sys

import measure
from codemode import Codemode
from measure import Samples, Size
from programs import COMPUTATIONS, FRAME, TIMES

OUTSIDE = """
import json, sys
place = {'__name__': '__main__'}
exec(sys.stdin.read(), place)
print(json.dumps(place['result']))
"""


def compute(size: Size) -> Samples:
    """The fastest of each turn: what else the machine does comes and goes, and a turn's two sides are neighbours."""
    found: Samples = {f"{name} {where}": [] for name in COMPUTATIONS for where in ("inside", "outside")}
    with Codemode() as client:
        for _ in range(2 * size.repeats):
            for name, code in COMPUTATIONS.items():
                found[f"{name} inside"].append(min(client.execute(code + TIMES, check=True).result))
                found[f"{name} outside"].append(min(outside(code + TIMES)))
    return found


def outside(code: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", OUTSIDE], input=code, check=True, stdout=subprocess.PIPE, text=True
    )
    found: list[float] = json.loads(done.stdout)
    return found


def preload(size: Size) -> Samples:
    """Whole executions; and interpreters spawned to do the same."""
    with Codemode.local({"guest": {"preload": ["pandas"]}}) as client:

        def call() -> None:
            assert client.execute(FRAME, check=True).result == 4

        measure.warm(call, 5)
        return {
            "preloaded": measure.paced(call, size.samples),
            "cold": measure.back_to_back(lambda: outside(FRAME), size.repeats),
        }
