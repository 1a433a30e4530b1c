"""Codemode itself, from the release wheel. Prints JSON."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure
from codemode import ClientConfig, Codemode, ComponentRegistry

CODE = "2 + 2"
TOOL_CALLS = 900
TOOL_CODE = f"""
import time
samples = []
for number in range({TOOL_CALLS}):
    begin = time.perf_counter()
    tools['echo'].run(value=number)
    samples.append((time.perf_counter() - begin) * 1000)
result = samples
"""
PARKED = 8


def main() -> None:
    results: dict[str, Any] = {}
    with Codemode(registry=registry()) as client:
        results["isolation"] = describe(client)
        results["embedded"] = run(client)
        results["tool"] = tool_round_trip(client)
    with server() as (port, key):
        config = ClientConfig(executor_url=f"grpc://127.0.0.1:{port}", executor_api_key=key)
        with Codemode.from_client_config(config, registry=registry()) as client:
            results["tcp"] = run(client)
            results["tool_tcp"] = tool_round_trip(client)
    results["memory"] = memory()
    measure.report(results)


def registry() -> ComponentRegistry:
    made = ComponentRegistry()
    made.register_tool("echo", lambda value: value, description="The value itself.")
    return made


def run(client: Codemode) -> dict[str, Any]:
    def call() -> None:
        assert client.execute(CODE).result == 4

    measure.warm(call)
    return {
        "paced": measure.paced(call),
        "back_to_back": measure.back_to_back(call),
        "throughput": {clients: measure.throughput(call, clients) for clients in measure.CLIENTS},
    }


def tool_round_trip(client: Codemode) -> dict[str, float]:
    client.execute(TOOL_CODE, check=True)
    return measure.summary(client.execute(TOOL_CODE, check=True).result)


def describe(client: Codemode) -> dict[str, Any]:
    held = client.execute(CODE, check=True).isolation
    return {"tier": held.tier, "layers": list(held.layers), "substitutes": list(held.substitutes)}


@contextmanager
def server() -> Iterator[tuple[int, str]]:
    key = secrets.token_hex(16)
    environment = {**os.environ, "CODEMODE_API_KEY": key, "CODEMODE_PORT": "0"}
    program = Path(sys.executable).parent / "codemode"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([program, "serve"], env=environment, stdout=log, stderr=log)
        try:
            yield address(process, log), key
        finally:
            process.terminate()
            process.wait(30)


def address(process: subprocess.Popen[bytes], log: Any) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        log.seek(0)
        if found := re.search(rb"127\.0\.0\.1:(\d+)", log.read()):
            return int(found[1])
        time.sleep(0.05)
    log.seek(0)
    raise SystemExit(f"codemode serve did not start:\n{log.read().decode(errors='replace')}")


def memory() -> dict[str, Any]:
    """Proportional set sizes in bytes: the daemon, the zygote, and what one more parked sandbox costs."""
    daemon, small = resident(1)
    _, large = resident(1 + PARKED)
    per_parked = (large - small) / PARKED
    return {"daemon": daemon, "zygote": small - per_parked, "per_parked": per_parked}


def resident(parked: int) -> tuple[int, int]:
    before = children(os.getpid())
    with Codemode.local({"pool": {"min": parked, "max": parked}}) as client:
        client.execute(CODE, check=True)
        (daemon,) = children(os.getpid()) - before
        time.sleep(2)  # the pool refills behind the answer
        return pss(daemon), sum(map(pss, descendants(daemon)))


def children(pid: int) -> set[int]:
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                found.add(int(name))
    return found


def descendants(pid: int) -> set[int]:
    found = children(pid)
    return found.union(*map(descendants, found)) if found else found


def pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
