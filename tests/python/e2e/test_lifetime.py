"""No sandbox outlives what it belongs to: the client's call, the client, the executor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codemode import AsyncCodemode, ClientConfig, Codemode
from e2e import processes
from e2e.conftest import registry_of
from e2e.daemon import KEY, Daemon
from e2e.test_limits import NAME

# Holds on with everything a process has: a child in a session of its own, all signals ignored that can be.
HOLD = """
import os, signal
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    os.write(told, b'x')
    while True: signal.pause()
os.read(ready, 1)
tools['seen'].run()
while True: signal.pause()
"""


def client_of(daemon: Daemon, **tools: object) -> Codemode:
    config = ClientConfig(executor_url=daemon.url, executor_api_key=daemon.key)
    return Codemode.from_client_config(config, registry=registry_of(**tools))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_no_sandbox_outlives_the_executor(tmp_path: Path, token: str, how: signal.Signals) -> None:
    family: list[processes.Process] = []
    seen = threading.Event()
    with Daemon(tmp_path, {"limits": {"code_timeout": 60}, "drain_timeout": 1}) as daemon:

        def note() -> None:
            family.extend(processes.descendants(daemon.pid))
            seen.set()

        with client_of(daemon, seen=note) as client:
            outcome: list[object] = []

            def run() -> None:
                try:
                    outcome.append(client.execute(NAME.format(token=token) + HOLD))
                except Exception as error:  # noqa: BLE001 - whatever a dead executor means to a client
                    outcome.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            assert seen.wait(60)
            assert len(processes.named(token)) == 2
            assert len(family) >= 3  # zygote, the execution's two, and what is parked
            code = daemon.stop(how)
            left = processes.left_after(family, 10)
            thread.join(60)
    assert not left, f"{len(left)} of {len(family)} processes outlived {how.name}"
    assert not processes.named(token)
    assert not thread.is_alive() and len(outcome) == 1
    if how != signal.SIGKILL:
        assert code == 0, daemon.log.decode(errors="replace")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_the_embedded_executor_ends_with_its_application(how: signal.Signals, token: str) -> None:
    program = (
        "import sys\nfrom codemode import Codemode, ComponentRegistry\nregistry = ComponentRegistry()\n"
        "registry.register_tool('seen', lambda: print('seen', flush=True), description='Says so.')\n"
        f"Codemode(registry=registry).execute({(NAME.format(token=token) + HOLD)!r})\n"
    )
    application = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert application.stdout and application.stdout.readline() == "seen\n"
        family = processes.descendants(application.pid)
        assert len(family) >= 3 and len(processes.named(token)) == 2
        application.send_signal(how)
        application.wait(30)
        assert not processes.left_after(family, 10)
    finally:
        application.kill()
        application.wait()
        assert application.stdout
        application.stdout.close()


def test_closing_the_client_ends_its_executor() -> None:
    client = Codemode()
    before = set(processes.children(os.getpid()))
    assert client.execute("1").success
    (pid,) = set(processes.children(os.getpid())) - before
    family = processes.descendants(pid)
    client.close()
    assert not processes.left_after(family, 10)
    assert processes.state(pid) == "gone", "the executor is to be reaped as well"


def test_a_disconnected_client_takes_its_sandbox_along(tmp_path: Path, token: str) -> None:
    program = (
        "import sys\nfrom codemode import ClientConfig, Codemode, ComponentRegistry\nregistry = ComponentRegistry()\n"
        "registry.register_tool('seen', lambda: print('seen', flush=True), description='Says so.')\n"
        "config = ClientConfig(executor_url=sys.argv[1], executor_api_key=sys.argv[2])\n"
        f"Codemode.from_client_config(config, registry=registry).execute({(NAME.format(token=token) + HOLD)!r})\n"
    )
    with Daemon(tmp_path, {"limits": {"code_timeout": 60}, "drain_timeout": 1}) as daemon:
        application = subprocess.Popen(
            [sys.executable, "-c", program, daemon.url, KEY], stdout=subprocess.PIPE, text=True
        )
        assert application.stdout and application.stdout.readline() == "seen\n"
        running = processes.named(token)
        assert len(running) == 2
        application.kill()
        application.wait()
        application.stdout.close()
        assert not processes.left_after(running, 2)
        with client_of(daemon) as client:
            assert client.execute("2 + 2").result == 4


def test_cancelling_the_task_kills_the_sandbox(token: str) -> None:
    running: list[processes.Process] = []

    async def main() -> None:
        reached = asyncio.Event()

        async def seen() -> None:
            running.extend(processes.named(token))
            reached.set()

        async with AsyncCodemode.local(registry=registry_of(seen=seen)) as client:
            task = asyncio.create_task(client.execute(NAME.format(token=token) + HOLD))
            await asyncio.wait_for(reached.wait(), 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(running) == 2
            assert not await asyncio.to_thread(processes.left_after, running, 2)
            assert (await client.execute("2 + 2")).result == 4

    asyncio.run(main())
