"""Whichever thread drives the connection: one that waits for its answer, a worker between two calls, the client's own.

Quick calls come first in each of these, so that a worker drives by the time it matters.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from codemode import AsyncCodemode, Codemode
from e2e import processes
from e2e.conftest import Local, executor_of, registry_of

QUICK = "for number in range(20): assert tools['echo'].run(value=number) == number\n"


def echo(value: int) -> int:
    return value


class Gate:
    """Tools that block until another one is called."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def wait(self) -> str:
        self.reached.set()
        assert self.opened.wait(30)
        return "through"

    def open(self) -> None:
        self.opened.set()

    async def pause(self) -> None:
        await asyncio.sleep(0.01)


def test_a_blocking_tool_holds_up_no_other_call_of_its_execution(local: Local) -> None:
    gate = Gate()
    client = local(echo=echo, wait=gate.wait, open=gate.open, pause=gate.pause)
    code = QUICK + (
        "async def opens():\n"
        "    for _ in range(3): await tools['pause'].arun()\n"
        "    await tools['open'].arun()\n"
        "import asyncio\n"
        "async def both(): return await asyncio.gather(tools['wait'].arun(), opens())\n"
        "asyncio.run(both())[0]"
    )
    for _ in range(3):
        assert client.execute(code, check=True).result == "through"
        gate.opened.clear()


def test_a_blocking_tool_holds_up_no_other_execution(local: Local) -> None:
    gate = Gate()
    client = local(echo=echo, wait=gate.wait)
    results: list[object] = []
    held = threading.Thread(target=lambda: results.append(client.execute(QUICK + "tools['wait'].run()").result))
    held.start()
    assert gate.reached.wait(30)
    assert [client.execute(QUICK + str(number)).result for number in range(3)] == [0, 1, 2]
    assert not results
    gate.opened.set()
    held.join(30)
    assert results == ["through"]


def test_what_is_printed_arrives_while_a_tool_blocks(local: Local) -> None:
    gate = Gate()
    client = local(echo=echo, wait=gate.wait)
    code = QUICK + "import threading\nthreading.Timer(0.05, print, ['open']).start()\ntools['wait'].run()"
    assert client.execute(code, on_stdout=lambda text: gate.open()).result == "through"


def test_a_tool_executes_code_itself(local: Local) -> None:
    def inner(depth: int) -> int:
        code = QUICK + (f"1 + tools['inner'].run(depth={depth - 1})" if depth else "0")
        return int(client.execute(code, check=True).result)

    client = local(echo=echo, inner=inner)
    assert client.execute(QUICK + "tools['inner'].run(depth=2)\n" * 2, check=True).result == 2


def test_threads_and_loops_share_a_client(local: Local) -> None:
    client = local(echo=echo)
    failures: list[BaseException] = []

    def several(run: Callable[[], object]) -> None:
        try:
            for _ in range(10):
                run()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    def blocking() -> None:
        assert client.execute(QUICK + "2 + 2").result == 4

    def awaiting() -> None:
        async def both() -> None:
            codes = (client.execute_async(QUICK + "2 + 2"), client.execute_async("1"))
            assert [answer.result for answer in await asyncio.gather(*codes)] == [4, 1]

        asyncio.run(both())

    threads = [threading.Thread(target=several, args=(run,)) for run in (blocking, blocking, awaiting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == [] and not any(thread.is_alive() for thread in threads)


def test_an_executor_that_dies_between_two_executions_is_replaced(local: Local) -> None:
    for _ in range(5):
        client = local(echo=echo)
        executor = executor_of(client)
        family = processes.descendants(executor)
        assert client.execute(QUICK + "2 + 2").result == 4
        os.kill(executor, signal.SIGKILL)
        assert not processes.left_after(family, 10)
        assert client.execute("2 + 2").result == 4


def test_behind_a_pause_an_execution_is_driven_by_who_waits_for_it(local: Local) -> None:
    others = own_threads()
    client = local(echo=echo)
    assert client.execute("2 + 2").result == 4
    while not (found := own_threads() - others):
        pass  # it has not given itself its name yet
    (thread,) = found

    def waits() -> int:
        """How often the client's own thread has waited for something."""
        return int((thread / "status").read_text().partition("voluntary_ctxt_switches:")[2].split()[0])

    def rests() -> bool:
        """Whether it is not at the connection."""
        return "futex" in (thread / "wchan").read_text()

    for _ in range(5):
        before, begin = waits(), time.monotonic()
        since = begin
        while since + 0.2 > time.monotonic() or not rests():
            if waits() != before:
                before, since = waits(), time.monotonic()
            assert begin + 10 > time.monotonic(), f"the thread waits in {(thread / 'wchan').read_text()}"
        assert client.execute(QUICK).outcome == "ok"
        # It looks again now and then, and may have done so at that moment.
        if waits() == before:
            return
    pytest.fail("the thread was woken each time")


def own_threads() -> set[Path]:
    """Those of this process that belong to clients."""
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            if (thread / "comm").read_text() == "codemode-io\n":
                found.add(thread)
    return found


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_closing_ends_what_runs(is_async: bool) -> None:
    gate = Gate()
    registry = registry_of(echo=echo, wait=gate.wait)
    code = QUICK + "tools['wait'].run()"
    ended: list[str] = []

    async def run() -> None:
        await AsyncCodemode.execute(client, code)

    client = AsyncCodemode(registry=registry) if is_async else Codemode(registry=registry)

    def execute() -> None:
        try:
            asyncio.run(run()) if isinstance(client, AsyncCodemode) else client.execute(code)
        except Exception as error:  # noqa: BLE001 - told below
            ended.append(type(error).__name__)

    runner = threading.Thread(target=execute)
    runner.start()
    try:
        assert gate.reached.wait(30)
        asyncio.run(client.close()) if isinstance(client, AsyncCodemode) else client.close()
        gate.opened.set()
        runner.join(30)
        assert not runner.is_alive() and ended == ["CodemodeError"]
    finally:
        gate.opened.set()
