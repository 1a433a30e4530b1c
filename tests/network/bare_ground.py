"""A namespace with the arena's addresses and nobody in it: for the tests of the arena itself.

python -m network.bare_ground      prints a line when it stands, and ends with its standard input
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from security.namespaces import CLONE_NEWNET, call, follow_parent, loopback_up

TESTS = Path(__file__).parents[1]


@contextmanager
def bare_ground() -> Iterator[int]:
    """A process in the namespace."""
    process = subprocess.Popen(
        [sys.executable, "-m", "network.bare_ground"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=follow_parent, env={"PATH": os.defpath, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == b"stands\n"
        yield process.pid
    finally:
        process.communicate()


def main() -> None:
    from network.link import assign
    from network.places import ON_LO

    call("unshare", CLONE_NEWNET)
    loopback_up()
    assign(ON_LO)
    print("stands", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
