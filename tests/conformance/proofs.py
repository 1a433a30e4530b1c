"""Whether the tests exist that the tables name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


# Tests of another language, and those that have an environment of their own: their source says whether they are there.
_READ = ("crates/", "tests/frameworks/")


def missing(proofs: Iterable[str]) -> list[str]:
    """Those that pytest does not find, or that are not in their file."""
    named = set(proofs)
    read = {proof for proof in named if proof.startswith(_READ)}
    return sorted(proof for proof in read if not _is_in_its_file(proof)) + _not_collected(named - read)


def _not_collected(nodes: set[str]) -> list[str]:
    if not nodes:
        return []
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *sorted(nodes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    if done.returncode == 0:
        return []
    said = re.findall(r"^ERROR.*|^E .*", done.stdout + done.stderr, re.MULTILINE)
    return said or [f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}"]


def _is_in_its_file(proof: str) -> bool:
    file, _, name = proof.partition("::")
    path = ROOT / file
    return path.is_file() and (not name or bool(re.search(rf"\b(fn|def) {name}\b", path.read_text())))
