"""One run on one machine: Codemode's release wheel beside spawning a Python, Docker and the peers from PyPI.

Each contestant has a virtual environment of its own under .bench-venv, because two of them are imported as `codemode`.
Prints the table and writes BENCHMARKS.md. Standard library only.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import egress_table
import measure

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
VENVS = ROOT / ".bench-venv"
PEERS = {"opencodemode": ["opencodemode==0.3.0b13"], "monty": ["pydantic-monty==1.4.0"]}
MITMPROXY = "mitmproxy==11.0.2"
LEVELS = measure.CLIENTS


def main() -> None:
    wheels = sorted((ROOT / "dist").glob("codemode_runtime-*.whl"))
    if len(wheels) != 1:
        raise SystemExit("bench: dist/ must hold exactly one wheel; run `make wheel`")
    busy = os.getloadavg()[0]
    results: dict[str, Any] = {"codemode": contestant("codemode", [str(wheels[0])])}
    for name, requirements in PEERS.items():
        results[name] = contestant(name, requirements)
    say("python -I -S -c, spawned per run")
    results["spawn"] = spawn()
    results["docker"] = docker()
    results["egress"] = egress(wheels[0])
    text = report(results, busy)
    (ROOT / "BENCHMARKS.md").write_text(text)
    print(text)


def contestant(name: str, requirements: list[str]) -> dict[str, Any]:
    python = environment(name, requirements)
    say(f"measuring {name}")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CODEMODE_")}
    done = subprocess.run(
        [python, HERE / f"contestant_{name}.py"], check=False, env=environ, cwd=HERE, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        return {"failed": f"exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(name: str, requirements: list[str]) -> Path:
    folder = VENVS / name
    contents = [Path(word).read_bytes() if word.endswith(".whl") else word.encode() for word in requirements]
    wanted = hashlib.sha256(b"\0".join([sys.version.encode(), *contents])).hexdigest()
    stamp = folder / ".requirements"
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say(f"creating .bench-venv/{name}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *requirements], check=True)
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def spawn() -> dict[str, Any]:
    def call() -> None:
        done = subprocess.run([sys.executable, "-I", "-S", "-c", "print(2 + 2)"], check=True, capture_output=True)
        assert done.stdout == b"4\n"

    measure.warm(call, 5)
    throughput = {str(clients): measure.throughput(call, clients) for clients in LEVELS}
    return {"embedded": {"back_to_back": measure.back_to_back(call, 200), "throughput": throughput}}


def docker() -> dict[str, Any]:
    """Only with an engine that runs and a small Python image that is already there: nothing is pulled."""
    if shutil.which("docker") is None:
        return {"absent": "docker is not installed"}
    listed = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], check=False, capture_output=True, text=True
    )
    if listed.returncode:
        return {"absent": "no Docker engine runs here"}
    image = next((line for line in listed.stdout.split() if line.startswith("python:")), None)
    if image is None:
        return {"absent": "the Docker engine has no python image"}

    def call() -> None:
        command = ["docker", "run", "--rm", "--network", "none", image, "python", "-I", "-S", "-c", "print(2 + 2)"]
        subprocess.run(command, check=True, capture_output=True)

    measure.warm(call, 2)
    return {"embedded": {"back_to_back": measure.back_to_back(call, 20)}}


def egress(wheel: Path) -> dict[str, Any]:
    if os.getuid() != 0:
        return {"absent": "only root can make the network that it runs in"}
    python = environment("codemode", [str(wheel)])
    try:
        peer = [environment("mitmproxy", [MITMPROXY]).with_name("mitmdump")]
    except subprocess.CalledProcessError:
        peer = []
    say("measuring egress")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CODEMODE_")}
    command = [python, HERE / "egress.py", python.with_name("codemode"), *peer]
    done = subprocess.run(command, check=False, env=environ, cwd=HERE, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"failed": f"exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(results: dict[str, Any], busy: float) -> str:
    ours = results["codemode"]
    if "failed" in ours:
        raise SystemExit(f"bench: codemode itself failed ({ours['failed']})")
    parts = [
        "# Benchmarks",
        "Written by `make bench`; every number is from one run on one machine. Times are milliseconds.",
        machine(ours, busy),
        "## One execution of `2 + 2`",
        executions(results),
        "## One tool call, sequential, inside one execution",
        tools(results),
        "## Executions per second, so many clients at once",
        throughputs(results),
        "## Memory (proportional set size)",
        memory(ours["memory"]),
        egress_table.section(results["egress"], os.cpu_count() or 1),
        "## What is compared",
        COMPARED,
    ]
    return "\n\n".join(parts) + "\n"


COMPARED = """\
- **codemode, embedded**: the release wheel, default policy, one client, private executor on a Unix socket. A fresh
  sandbox per execution.
- **codemode, TCP**: the same through `codemode serve` on loopback gRPC with an API key.
- **opencodemode**: 0.3.0b13 from PyPI, its executor started by hand on loopback, its tool server in the application.
  A fresh interpreter per execution, no kernel confinement outside its container.
- **pydantic-monty**: a Python subset, not CPython; a new session per run in a pool of worker processes, no kernel
  boundary per run. It is the speed limit, not the same promise.
- **python -I -S -c**: an interpreter spawned per run, with no sandbox at all.
- *Paced*: one request every 20 ms. *Back to back*: the next request as soon as the answer is there, so the refill of
  the pool competes with the answer.
- The ratio is a row's median divided by that of codemode, embedded, back to back."""


def machine(ours: dict[str, Any], busy: float) -> str:
    model = next(
        (line.split(":", 1)[1].strip() for line in read("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    total = next((int(line.split()[1]) for line in read("/proc/meminfo") if line.startswith("MemTotal")), 0)
    held = ours["isolation"]
    user = "root" if os.getuid() == 0 else "an ordinary user"
    facts = [
        f"- {datetime.date.today().isoformat()}, {os.cpu_count()} cores ({model}), {total / 2**20:.0f} GiB of memory",
        f"- Linux {platform.release()} on {platform.machine()}, CPython {platform.python_version()}, as {user}",
        f"- load average of the machine when the run began: {busy:.1f}",
        f"- tier {held['tier']}: {', '.join(held['layers'])}",
        *(f"- instead of {text}" for text in held["substitutes"]),
    ]
    return "\n".join(facts)


def executions(results: dict[str, Any]) -> str:
    ours = results["codemode"]
    base = ours["embedded"]["back_to_back"]["median"]
    rows = [
        ("codemode, embedded, paced", ours["embedded"]["paced"]),
        ("codemode, embedded, back to back", ours["embedded"]["back_to_back"]),
        ("codemode, TCP, paced", ours["tcp"]["paced"]),
        ("codemode, TCP, back to back", ours["tcp"]["back_to_back"]),
        ("opencodemode, back to back", results["opencodemode"].get("tcp", {}).get("back_to_back")),
        ("pydantic-monty, paced", results["monty"].get("embedded", {}).get("paced")),
        ("pydantic-monty, back to back", results["monty"].get("embedded", {}).get("back_to_back")),
        ("python -I -S -c, back to back", results["spawn"]["embedded"]["back_to_back"]),
    ]
    docker_run = results["docker"].get("embedded", {}).get("back_to_back")
    rows.append((f"docker run{'' if docker_run else ' (' + results['docker']['absent'] + ')'}", docker_run))
    return timings(rows, base)


def tools(results: dict[str, Any]) -> str:
    ours = results["codemode"]
    rows = [
        ("codemode, embedded", ours["tool"]),
        ("codemode, TCP", ours["tool_tcp"]),
        ("opencodemode", results["opencodemode"].get("tool")),
        ("pydantic-monty", results["monty"].get("tool")),
    ]
    return timings(rows, ours["tool"]["median"])


def timings(rows: list[tuple[str, dict[str, float] | None]], base: float) -> str:
    lines = ["| | median | p99 | min | samples | ratio |", "|---|--:|--:|--:|--:|--:|"]
    for name, found in rows:
        if found is None:
            lines.append(f"| {name} | not measured | | | | |")
            continue
        numbers = " | ".join(f"{found[key]:.3f}" for key in ("median", "p99", "min"))
        lines.append(f"| {name} | {numbers} | {found['samples']} | {found['median'] / base:.2f} x |")
    return "\n".join(lines)


def throughputs(results: dict[str, Any]) -> str:
    rows = [
        ("codemode, embedded", results["codemode"]["embedded"]),
        ("codemode, TCP", results["codemode"]["tcp"]),
        ("opencodemode", results["opencodemode"].get("tcp")),
        ("pydantic-monty", results["monty"].get("embedded")),
        ("python -I -S -c", results["spawn"]["embedded"]),
    ]
    lines = [f"| | {' | '.join(map(str, LEVELS))} |", "|---|" + "--:|" * len(LEVELS)]
    for name, found in rows:
        cells = [f"{found['throughput'][str(level)]:.1f}" for level in LEVELS] if found else ["not measured"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def memory(found: dict[str, float]) -> str:
    mib = {name: f"{value / 2**20:.1f} MiB" for name, value in found.items()}
    cells = f"| {mib['daemon']} | {mib['zygote']} | {mib['per_parked']} |"
    return f"| daemon | zygote | one more parked sandbox |\n|--:|--:|--:|\n{cells}"


def read(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
