"""Where each microsecond of one execution goes: `2 + 2`, paced, under the kernel's own tracing; and the floor under it.

    profile_execution.py                 traces 60 executions and writes docs/performance/profile.md
    profile_execution.py --samples 20 --output FILE

Needs root, tracefs and a Rust toolchain. (The name `profile` is a module's of the standard library.)
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench
import machine
import processes
import profile_making
import profile_report
import profile_roles
import profile_stages
import profile_summary
import profile_trace
from instructions import COUNTS
from profile_calls import MACHINE
from profile_events import Processors, completed, parsed
from profile_stages import Trace
from turns import HERE, ROOT, Turns, say

PAGE = ROOT / "docs" / "performance" / "profile.md"
TARGET = ROOT / "target" / "floor"
# Of so many executions one may be unreadable: a processor was busy with something else just when it mattered.
UNREAD = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=60, help="how many executions are traced")
    parser.add_argument("--output", type=Path, default=PAGE, metavar="FILE", help="the page that is written")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="another wheel than that of dist/")
    options = parser.parse_args()
    if platform.machine() != MACHINE:
        raise SystemExit(f"profile: the numbers of system calls are known for {MACHINE}, this is {platform.machine()}")
    profile_trace.place()
    floor = built()
    begun = machine.facts()
    turns = Turns("quick", options.wheel or bench.built_wheel())
    say("tracing")
    found = traced(turns.python("codemode"), options.samples)
    say("floor")
    found["floor"] = floor_under(floor, options.samples, found)
    found["date"] = datetime.date.today().isoformat()
    found["machine"] = {**begun, "load_after": machine.load()}
    found["isolation"] = {key: turns.facts[key] for key in ("tier", "layers", "substitutes")}
    found["instructions"] = json.loads(COUNTS.read_text())
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(profile_report.document(found))
    say(f"written: {options.output}")


def built() -> Path:
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir"]
    subprocess.run([*command, TARGET], check=True, cwd=HERE / "floor")
    return TARGET / "release" / "codemode-floor"


def traced(python: Path, samples: int) -> dict[str, Any]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}
    command = [str(python), str(HERE / "profile_subject.py"), str(samples)]
    with (
        profile_trace.tracing() as tracing,
        subprocess.Popen(
            command, env=environ, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as subject,
    ):
        assert subject.stdin is not None and subject.stdout is not None
        ready = answer(subject.stdout.readline())
        tracing.begin()
        roles, kernel = profile_roles.living(subject.pid), profile_roles.kernel_threads()
        resident = anonymous(roles)
        print(tracing.marker, file=subject.stdin, flush=True)
        done = answer(subject.stdout.readline())
        tracing.end()
        kernel |= profile_roles.kernel_threads()
        events = list(completed(parsed(tracing.lines())))
        print(file=subject.stdin, flush=True)
    trace = Trace(events, roles.grow(events), Processors(events), ready["thread"])
    return {**summary(trace, kernel), "untraced": ready["untraced"], "traced": done["traced"], "resident": resident}


def answer(line: str) -> dict[str, Any]:
    if not line:
        raise SystemExit("profile: the client that was to be traced ended early")
    found: dict[str, Any] = json.loads(line)
    return found


def anonymous(roles: profile_roles.Roles) -> int:
    """Bytes of the zygote that are in no file."""
    (zygote,) = {roles.process[task] for task in roles.of(profile_roles.ZYGOTE)}
    return processes.smaps(zygote)["Anonymous"]


def summary(trace: Trace, kernel: set[int]) -> dict[str, Any]:
    if not trace.marks():
        raise SystemExit("profile: the trace knows other process ids than this program; run it outside of containers")
    executions, unread = profile_stages.executions(trace)
    makings = profile_making.makings(trace)
    if unread * UNREAD > len(executions) or not makings:
        raise SystemExit(
            f"profile: only {len(executions)} of {len(executions) + unread} executions, and the making of "
            f"{len(makings)} sandboxes, could be read; is the machine busy? Otherwise the executor works in a new way: "
            "see benches/profile_stages.py"
        )
    return {
        "executions": len(executions),
        "unread": unread,
        "early": sum(execution.is_early for execution in executions),
        "makings": len(makings),
        "way": profile_summary.way(executions),
        "behind": profile_summary.behind(executions),
        "making": profile_summary.making(makings),
        "totals": profile_summary.totals(trace, kernel),
    }


def floor_under(program: Path, samples: int, found: dict[str, Any]) -> dict[str, Any]:
    """With as much memory and as many page faults as were found."""
    faults = profile_report.faults(found)
    work: Sequence[object] = [samples, found["resident"], faults["touched"], faults["run"]]
    done = subprocess.run([program, *map(str, work)], check=True, stdout=subprocess.PIPE, text=True)
    floor: dict[str, Any] = json.loads(done.stdout)
    return {**floor, **faults, "resident": found["resident"]}


if __name__ == "__main__":
    main()
