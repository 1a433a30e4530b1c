"""Whether the tests exist that the tables name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def missing(proofs: Iterable[str]) -> list[str]:
    """Node ids that pytest does not find, and `crates/…::function` that is not in that file."""
    named = set(proofs)
    rust = {proof for proof in named if proof.startswith("crates/")}
    return sorted(proof for proof in rust if not _in_rust(proof)) + _not_collected(named - rust)


def _not_collected(nodes: set[str]) -> list[str]:
    if not nodes:
        return []
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *sorted(nodes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    if done.returncode == 0:
        return []
    said = re.findall(r"^ERROR.*|^E .*", done.stdout + done.stderr, re.MULTILINE)
    return said or [f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}"]


def _in_rust(proof: str) -> bool:
    file, _, name = proof.partition("::")
    path = ROOT / file
    return path.is_file() and bool(re.search(rf"\bfn {name}\b", path.read_text()))
