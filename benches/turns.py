"""Runs the contestants, each in an environment of its own, in turns: a busy moment of the machine hits them alike."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from groups import Group
from measure import SIZES
from rows import Found

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
VENVS = ROOT / ".bench-venv"

PANDAS = "pandas==2.3.3"
PEERS = {
    "opencodemode": ["opencodemode==0.3.0b13"],
    "monty": ["pydantic-monty==1.4.0"],
    "smolagents": ["smolagents==1.26.0"],
}
# Seconds of one measurement of one contestant, in one round.
AT_MOST = {"quick": 300, "normal": 900, "long": 3600}
# These need nothing but the interpreter that everybody's environment is made of.
BARE = {"fork", "raw", "spawn"}
# Whose program it is, where the contestant is another's in another environment.
PROGRAMS = {"preload": "codemode"}


class Turns:
    def __init__(self, size: str, wheel: Path) -> None:
        self.size, self.wheel = size, wheel
        self.facts: dict[str, Any] = self.asked("codemode", "facts")
        if "absent" in self.facts:
            raise SystemExit(f"bench: codemode itself failed: {self.facts['absent']}")

    def run(self, groups: Iterable[Group]) -> Found:
        """What several groups want is measured once."""
        found = Found(SIZES[self.size].rounds)
        chosen = list(groups)
        for number in range(found.rounds):
            wanted = dict.fromkeys(turn for group in chosen for turn in group.turns)
            if number == 0:
                wanted |= dict.fromkeys(turn for group in chosen for turn in group.once)
            for turn in wanted:
                contestant, _, measurement = turn.partition(".")
                if turn not in found.absent:
                    say(f"round {number + 1} of {found.rounds}: {contestant}, {measurement}")
                    self.take(found, contestant, measurement)
        return found

    def take(self, found: Found, contestant: str, measurement: str) -> None:
        answer = self.asked(contestant, measurement)
        if "absent" in answer and contestant in PEERS:
            # One that crashes now and then would be missing from the whole table.
            say(f"{contestant}, {measurement}: {answer['absent']}; once more")
            answer = self.asked(contestant, measurement)
        if "absent" in answer:
            say(f"{contestant}, {measurement}: {answer['absent']}")
            found.lacks(contestant, measurement, answer["absent"])
        else:
            found.add(contestant, measurement, answer)

    def asked(self, contestant: str, measurement: str) -> dict[str, Any]:
        try:
            python = self.python(contestant)
        except subprocess.CalledProcessError:
            return {"absent": "its environment could not be made"}
        program = HERE / f"contestant_{PROGRAMS.get(contestant, contestant)}.py"
        modules = [",".join(self.facts["modules"])] if contestant == "fork" else []
        try:
            done = subprocess.run(
                [python, program, measurement, self.size, *modules],
                check=False,
                env={name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")},
                cwd=HERE,
                stdout=subprocess.PIPE,
                text=True,
                timeout=AT_MOST[self.size],
            )
        except subprocess.TimeoutExpired:
            return {"absent": f"did not end within {AT_MOST[self.size]} s"}
        if done.returncode:
            return {"absent": f"failed with exit code {done.returncode}"}
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def python(self, contestant: str) -> Path:
        if contestant in BARE:
            return Path(getattr(sys, "_base_executable", sys.executable))
        own = {"codemode": [str(self.wheel)], "preload": [str(self.wheel), PANDAS]}
        return environment(contestant, own.get(contestant) or PEERS[contestant])


def environment(name: str, requirements: list[str]) -> Path:
    """The interpreter of an environment with these packages; made anew where they have changed."""
    folder = VENVS / name
    contents = [Path(word).read_bytes() if word.endswith(".whl") else word.encode() for word in requirements]
    wanted = hashlib.sha256(b"\0".join([sys.version.encode(), *contents])).hexdigest()
    stamp = folder / ".requirements"
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say(f"creating .bench-venv/{name}")
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *requirements], check=True)
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
