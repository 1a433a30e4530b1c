"""Instruction counts of the hot path under callgrind: what noise cannot disturb.

    instructions.py            counts, compares with instructions.json, ends with 1 where one differs by more than 2 %
    instructions.py --write    writes instructions.json

Each subject is done a few times and many times; the difference, for one of them, is its count. Counts belong to a
compiler, a C library and a Python: the file says to which, and with others there is nothing to compare. A count that
falls is reported like one that rises, so that the file stays true. Needs valgrind and a Rust toolchain.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "target" / "callgrind"
COUNTS = HERE / "instructions.json"
TOLERANCE = 0.02
GUEST = "execution in the guest, CPython"
# How often: few and many.
RUST, PYTHON = (100, 1100), (5, 15)
COLLECTED = re.compile(r"Collected : (\d+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write instructions.json")
    write = parser.parse_args().write
    counts, tools = counted(built()), versions()
    if write:
        COUNTS.write_text(json.dumps({"of": tools, "counts": counts}, indent=1) + "\n")
        return
    committed = json.loads(COUNTS.read_text())
    for name, count in counts.items():
        print(f"{count:>12,}  {committed['counts'].get(name, 0):>12,}  {name}")
    if found := differences(committed, tools, counts):
        raise SystemExit("\n".join(found))


def built() -> Path:
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir"]
    subprocess.run([*command, TARGET], check=True, cwd=HERE / "callgrind")
    return TARGET / "release" / "codemode-callgrind"


def counted(program: Path) -> dict[str, int]:
    subjects = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    counts = {name: each(RUST, program, name) for name in subjects}
    python = getattr(sys, "_base_executable", sys.executable)
    # Without the user's packages and without bytecode files, which would be read once and written once.
    counts[GUEST] = each(PYTHON, python, "-S", "-B", HERE / "instructions_guest.py")
    return counts


def each(times: tuple[int, int], *command: object) -> int:
    few, many = times
    return (run(*command, many) - run(*command, few)) // (many - few)


def run(*command: object) -> int:
    """The instructions of a whole process."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        [*valgrind, *map(str, command)],
        check=False,
        cwd=HERE,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    found = COLLECTED.search(done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(map(str, command))} under callgrind failed:\n{done.stderr}")
    return int(found[1])


def versions() -> dict[str, str]:
    def said(*command: str) -> str:
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    return {
        "rustc": said("rustc", "--version"),
        "valgrind": said("valgrind", "--version"),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def differences(committed: dict[str, Any], tools: dict[str, str], counts: dict[str, int]) -> list[str]:
    """What a person should know, a line each; nothing where all is as it was."""
    remedy = "`make bench-instructions WRITE=1` writes them anew"
    others = [f"{name} {committed['of'].get(name)}" for name, it in tools.items() if committed["of"].get(name) != it]
    if others:
        return [f"the counts in {COUNTS.name} are of {'; '.join(others)}, which is another here: {remedy}"]
    before: dict[str, int] = committed["counts"]
    found = []
    for name in sorted(counts.keys() | before.keys()):
        old, new = before.get(name), counts.get(name)
        if old is None or new is None:
            found.append(f"{name}: {'new' if old is None else 'gone'}: {remedy}")
        elif abs(new / old - 1) > TOLERANCE:
            found.append(f"{name}: {new:,} instructions, was {old:,} ({100 * (new / old - 1):+.1f} %): {remedy}")
    return found


if __name__ == "__main__":
    main()
