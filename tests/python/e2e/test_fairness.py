"""What the tools of one execution may cost the others of the same client."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from codemode import ExecutionResult
from e2e.conftest import Local

LIMIT = 60.0  # seconds until a test that hangs fails
WORKERS = 32  # of one execution


class Gate:
    """A slow tool: holds its thread until it is opened, and counts."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.most = self.running = 0
        self._open = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> int:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        self._open.wait(LIMIT)
        with self._lock:
            self.running -= 1
        return 1

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=LIMIT)

    def open(self, path: None) -> None:  # takes an argument, so it is no hook of a component
        self._open.set()


def workers() -> int:
    """Those of other clients may end meanwhile, but none begins."""
    return sum(thread.name == "codemode-tool" for thread in threading.enumerate())


def test_a_flood_of_slow_calls_stalls_no_other_execution(local: Local) -> None:
    gate, results, seen = Gate(), list[ExecutionResult](), list[str]()
    client = local(slow=gate, echo=lambda value: value)
    flood = threading.Thread(target=lambda: results.append(client.execute("sum(tools['slow'].map([{}] * 600))")))
    flood.start()

    async def other() -> ExecutionResult:
        code = "print('hello')\ntools['echo'].run(value=7)"
        return await asyncio.wait_for(client.execute_async(code, on_stdout=seen.append), LIMIT)

    try:
        gate.wait_for(WORKERS)
        assert client.execute("1").result == 1
        assert asyncio.run(other()).result == 7
        assert "".join(seen) == "hello\n"
        assert gate.running == WORKERS
    finally:
        gate.open(None)
        flood.join(LIMIT)
    assert results[0].result == 600, str(results[0])
    assert gate.most == WORKERS


def test_calls_that_wait_their_turn_obey_the_tool_timeout(local: Local) -> None:
    gate = Gate()
    client = local({"limits": {"tool_timeout": 0.5}}, slow=gate)
    try:
        result = client.execute("len(tools['slow'].map([{}] * 40, return_exceptions=True))")
        assert result.result == 40, str(result)
        assert [call.status for call in result.tool_calls] == ["timeout"] * 40
        # The rest never began, and never will.
        assert sum(call.ran for call in result.tool_calls) == WORKERS
    finally:
        gate.open(None)
    # A client whose threads were all held serves the next execution.
    assert client.execute("tools['slow'].run()").result == 1
    assert gate.most <= WORKERS + 1


def test_async_tools_hold_no_thread_while_they_await(local: Local) -> None:
    arrived, threads = list[int](), list[int]()
    together: dict[str, asyncio.Event] = {}

    async def meet(number: int) -> int:
        event = together.setdefault("all", asyncio.Event())
        arrived.append(number)
        if len(arrived) == 200:
            threads.append(workers())
            event.set()
        await asyncio.wait_for(event.wait(), LIMIT)
        return number

    before = workers()
    # Two hundred calls wait for each other; the most workers that one execution has could not carry them.
    result = local(meet=meet).execute("sum(tools['meet'].map([{'number': n} for n in range(200)]))")
    assert result.result == sum(range(200)), str(result)
    assert threads[0] - before < 2 * WORKERS


def test_more_threads_than_the_queue_has_room_for_wait_their_turn(local: Local) -> None:
    client, answers = local(), dict[int, Any]()

    def work(number: int) -> None:
        answers[number] = client.execute(str(number)).result

    threads = [threading.Thread(target=work, args=(number,)) for number in range(400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert answers == {number: number for number in range(400)}


def test_execute_in_an_async_tool_says_what_to_write(local: Local) -> None:
    async def blocks() -> Any:
        return client.execute("1").result

    async def awaits() -> Any:
        return (await client.execute_async("tools['inner'].run()")).result

    async def inner() -> int:
        return 42

    client = local(blocks=blocks, awaits=awaits, inner=inner)
    assert client.execute("tools['awaits'].run()").result == 42
    failed = client.execute("tools['blocks'].run()")
    assert "await client.execute_async" in str(failed)
    assert [call.status for call in failed.tool_calls] == ["error"]
