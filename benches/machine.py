"""What machine it was, and how busy."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
QUIET = 0.3


def facts() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), "?")
    memory = Path("/proc/meminfo").read_text().splitlines()
    return {
        "cores": os.cpu_count() or 1,
        "model": model,
        "virtual": any(line.startswith("flags") and " hypervisor" in line for line in cpuinfo),
        "memory_gib": round(int(memory[0].split()[1]) / 2**20),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "governor": read(CPU, "not visible"),
        "clock": read(CLOCK, "not visible"),
        "python": platform.python_version(),
        "user": "root" if os.getuid() == 0 else "an ordinary user",
        "load": load(),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What bears on ratios: how dear a system call or a wake-up is beside a computation."""
    names = {"model": "processor", "cores": "cores", "kernel": "Linux", "python": "CPython", "user": "user"}
    told = {key: [facts[key] for facts in (before, now)] for key in names}
    # What a kernel's builder added to its version says nothing of its speed.
    told["kernel"] = [release.partition("-")[0] for release in told["kernel"]]
    return [f"{names[key]} {old}, now {new}" for key, (old, new) in told.items() if old != new]


def load() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def read(path: Path, otherwise: str) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return otherwise


def described(found: dict[str, Any], date: str) -> list[str]:
    machine, isolation = found["machine"], found["isolation"]
    kind = "a virtual machine" if machine["virtual"] else "no virtual machine"
    lines = [
        f"{date}, {machine['cores']} cores ({machine['model']}, {kind}), {machine['memory_gib']} GiB of memory",
        f"Linux {machine['kernel']} on {machine['architecture']}, CPython {machine['python']}, as {machine['user']}",
        f"governor: {machine['governor']}; clock: {machine['clock']}",
        f"load average when the run began: {machine['load']:.2f}; when it ended: {machine['load_after']:.2f}",
        f"tier {isolation['tier']}: {', '.join(isolation['layers'])}",
        *(f"instead of {text}" for text in isolation["substitutes"]),
    ]
    if machine["load"] > QUIET:
        lines.append("**The machine was not quiet: absolute figures are worse than they could be.**")
    return lines
