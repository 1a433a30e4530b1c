"""The corpus: programs as data, one JSON object a line. They are never run but in a sandbox or in the bare cage."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FILES = ("corpus-sample.jsonl", "corpus-own.jsonl")
_CONTAINER = json.loads((FOLDER / "container.json").read_text())
# By tier, the programs whose verdict says nothing there, with the sentence by which the tier does not promise it.
NOT_BINDING: dict[str, dict[str, str]] = {"container": _CONTAINER["not_binding"]}
# By tier, outcomes that also pass there.
ALSO_PASSES: dict[str, dict[str, list[str]]] = {"container": _CONTAINER["also_passes"]}


@dataclass(frozen=True)
class Program:
    id: str
    title: str
    code: str
    mode: str
    timeout_s: float
    check: dict[str, Any] = field(repr=False)
    profiles: tuple[str, ...] = ()

    def binds_in(self, tier: str) -> bool:
        return tier in self.profiles and self.id not in NOT_BINDING.get(tier, {})

    @property
    def kind(self) -> str:
        return str(self.check["kind"])

    @property
    def judges_itself(self) -> bool:
        return self.kind == "verdict"

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Of which one is enough; for a program that judges itself, those that say it came to no verdict."""
        return tuple(self.check.get("alt_status" if self.judges_itself else "status", ()))

    def passes_with(self, outcome: str, tier: str) -> bool:
        return outcome in (*self.outcomes, *ALSO_PASSES.get(tier, {}).get(self.id, ()))

    @property
    def claims(self) -> tuple[str, ...]:
        return tuple(self.check.get("harness", ()))

    @property
    def repeat(self) -> int:
        return int(self.check.get("repeat", 1))

    @property
    def seconds(self) -> float:
        """What to give it. A program that is meant to be ended need not have long."""
        seconds = min(self.timeout_s, float(self.check.get("max_wall_s", self.timeout_s)))
        return min(seconds, 1.5) if "timeout" in self.outcomes and not self.judges_itself else seconds

    def filled(self, places: dict[str, str]) -> str:
        code = self.code
        for placeholder, value in places.items():
            code = code.replace(f"@@{placeholder}@@", value)
        assert "@@" not in code, f"{self.id} has a placeholder that nobody fills"
        return code


def load(name: str) -> list[Program]:
    fields = ("id", "title", "code", "mode", "timeout_s", "check", "profiles")
    lines = (FOLDER / name).read_text(encoding="utf-8").split("\n")
    return [Program(**{key: item[key] for key in fields}) for line in lines if line for item in [json.loads(line)]]


PROGRAMS = [program for name in FILES for program in load(name)]
# With network mode `restricted`; they need the servers of tests/network around them.
NETWORK_PROGRAMS = load("corpus-network.jsonl")
SELF_JUDGING = [program for program in PROGRAMS if program.judges_itself]
