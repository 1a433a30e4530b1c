"""Runs tests/security: its parts side by side, for most of their time is spent waiting. Standard library only.

The parts share nothing: each has its own executors, user ids, control groups and folders, and only the first listens in
the machine's own network namespace, where the corpus has one name for all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("tests/security")
# What is in no part is run with the last.
PARTS = {
    "tier full": ("test_corpus.py", "test_endurance.py"),
    "tier container, stand-in": ("test_standin.py",),
    "network": ("test_network.py",),
    "walls down": (),
}
LAST = "walls down"


def main() -> int:
    files = sorted(path.name for path in (ROOT / FOLDER).glob("test_*.py"))
    named = [name for part in PARTS.values() for name in part]
    assert set(named) <= set(files), f"gone from {FOLDER}: {set(named) - set(files)}"
    parts = {**PARTS, LAST: tuple(name for name in files if name not in named)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        begun = time.monotonic()
        running = {part: start(names, folder / part, stack) for part, names in parts.items()}
        codes = [finish(part, process, folder / part, begun) for part, process in running.items()]
    return max(codes)


def start(names: tuple[str, ...], output: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "--durations=3", *(str(FOLDER / name) for name in names)]
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    stack.callback(process.wait)
    # A run that is interrupted, or a part that cannot be started, ends the others.
    stack.callback(process.terminate)
    return process


def finish(part: str, process: subprocess.Popen[bytes], output: Path, begun: float) -> int:
    code = process.wait()
    print(f"security: {part} ({time.monotonic() - begun:.0f} s)", flush=True)
    sys.stdout.buffer.write(output.read_bytes())
    sys.stdout.flush()
    return os.EX_SOFTWARE if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
