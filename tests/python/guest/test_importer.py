"""The importer of the guest's texts, which are compiled in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

from guest.host import ROOT

IMPORTER = ROOT / "crates/codemode-guest/src/importer.py"

# Dies as soon as it has its child, which has more to write than a pipe takes.
DIES_WHILE_IT_COMPILES = f"""
import importlib.util, os, signal

spec = importlib.util.spec_from_file_location("importer", {str(IMPORTER)!r})
importer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(importer)
parent, close = os.getpid(), os.close

def die(descriptor):
    if os.getpid() == parent:
        os.kill(parent, signal.SIGKILL)
    close(descriptor)

os.close = die
importer.install({{"_codemode": "x = '" + "x" * 1_000_000 + "'"}})
"""


def test_what_compiles_ends_with_its_parent():
    # Until nobody holds the outputs.
    ran = subprocess.run([sys.executable, "-I", "-c", DIES_WHILE_IT_COMPILES], capture_output=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (-signal.SIGKILL, b"")
