"""The kernel's own tracing, in an instance that is ours alone: nobody else's buffers, options and events change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Where tracefs is, or was in older systems.
PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
EVENTS = (
    "sched/sched_switch",
    "sched/sched_waking",
    "sched/sched_process_fork",
    "raw_syscalls/sys_enter",
    "raw_syscalls/sys_exit",
    "exceptions/page_fault_user",
    "exceptions/page_fault_kernel",
)
KIBIBYTES = 32 << 10  # for each processor


class Tracing:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def marker(self) -> Path:
        return self.folder / "trace_marker"

    def write(self, name: str, value: str) -> None:
        (self.folder / name).write_text(value)

    def prepare(self) -> None:
        self.write("tracing_on", "0")
        self.write("trace_clock", "mono")
        self.write("buffer_size_kb", str(KIBIBYTES))
        for event in EVENTS:
            self.write(f"events/{event}/enable", "1")

    def begin(self) -> None:
        self.write("tracing_on", "1")

    def end(self) -> None:
        self.write("tracing_on", "0")

    def lines(self) -> list[str]:
        lost = sum(map(overrun, self.folder.glob("per_cpu/cpu*/stats")))
        if lost:
            raise SystemExit(
                f"profile: the kernel's buffers were too small, {lost} events are lost: the machine is too busy, "
                "or --samples too high"
            )
        return (self.folder / "trace").read_text().splitlines()


def overrun(stats: Path) -> int:
    return next(int(line.split()[1]) for line in stats.read_text().splitlines() if line.startswith("overrun:"))


def place() -> Path:
    if os.getuid() != 0:
        raise SystemExit("profile: only root may trace the kernel; run it as root")
    found = next((path for path in PLACES if (path / "instances").is_dir()), None)
    if found is None:
        raise SystemExit(
            f"profile: there is no tracefs at {PLACES[0]}; mount it with `mount -t tracefs nodev {PLACES[0]}`, on a "
            "kernel that has CONFIG_FTRACE"
        )
    missing = [event for event in EVENTS if not (found / "events" / event).is_dir()]
    if missing:
        raise SystemExit(f"profile: this kernel does not trace {', '.join(missing)}")
    return found


@contextmanager
def tracing() -> Iterator[Tracing]:
    """Removing the instance frees its buffers and forgets its options."""
    folder = place() / "instances" / f"codemode-{os.getpid()}"
    folder.mkdir()
    trace = Tracing(folder)
    try:
        trace.prepare()
        yield trace
    finally:
        trace.end()
        folder.rmdir()
