"""What a client decides about tool calls, and what it is told of them while the code runs."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from codemode import AsyncCodemode, ClientConfig, Codemode, ExecutorConnectionError, tool
from codemode.events import (
    Event,
    Finished,
    Stderr,
    Stdout,
    ToolCallFinished,
    ToolCallStarted,
    ToolProgress,
)
from codemode.tools import report_progress
from e2e import processes
from e2e.conftest import Local, registry_of
from e2e.daemon import Daemon
from e2e.test_lifetime import HOLD
from e2e.test_limits import NAME

CAUGHT = "try:\n    tools['{name}'].run()\nexcept ToolError as error:\n    result = [error.error_type, str(error)]\n"


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    report_progress("adding", 0.5)
    return a + b


async def fetch(key: str) -> str:
    """Fetches a value."""
    await asyncio.sleep(0)
    report_progress("connected")
    return key


# Limits


@pytest.mark.parametrize("seconds", [0.3, 1e-6])
def test_a_tool_with_a_timeout_of_its_own(local: Local, seconds: float) -> None:
    release = threading.Event()

    @tool(timeout=seconds)
    def hang() -> None:
        """Hangs."""
        release.wait(60)

    @tool(timeout=seconds)
    async def hang_async() -> None:
        """Hangs."""
        await asyncio.Event().wait()

    client = local(hang=hang, hang_async=hang_async, add=add)
    events: list[Any] = []
    try:
        for name in ("hang", "hang_async"):
            code = CAUGHT.format(name=name) + "result += [tools['add'].run(a=1, b=2)]"
            result = client.execute(code, on_tool_call=events.append)
            assert result.success, str(result)
            assert result.result[0] == "ToolTimeout" and "the tool's own timeout" in result.result[1]
            assert result.result[2] == 3
            assert [(call.name, call.status) for call in result.tool_calls] == [(name, "timeout"), ("add", "ok")]
    finally:
        release.set()
    ended = [(event.name, event.status) for event in events if isinstance(event, ToolCallFinished)]
    # That a call was given up is told beside the code, which goes on already.
    expected = [("add", "ok"), ("add", "ok"), ("hang", "timeout"), ("hang_async", "timeout")]
    if seconds < 0.1:  # given up before it came to the tool, there is nothing to tell of it
        ended += [one for one in expected if one not in ended]
    assert sorted(ended) == expected


def test_the_executors_limit_holds_for_a_tool_that_wants_longer(local: Local) -> None:
    release = threading.Event()

    @tool(timeout=600)
    def hang() -> None:
        """Hangs."""
        release.wait(60)

    client = local({"limits": {"tool_timeout": 0.3}}, hang=hang)
    events: list[Any] = []
    try:
        result = client.execute(CAUGHT.format(name="hang"), on_tool_call=events.append)
    finally:
        release.set()
    assert "limits.tool_timeout" in result.result[1]
    assert [event.status for event in events if isinstance(event, ToolCallFinished)] == ["timeout"]


def test_fewer_tool_calls_than_the_executor_allows(local: Local) -> None:
    client = local({"limits": {"max_tool_calls": 5}}, add=add)
    code = "for n in range(20):\n    tools['add'].run(a=n, b=1)"
    for most, ran in ((None, 5), (2, 2), (1000, 5)):
        result = client.execute(code, max_tool_calls=most)
        assert (result.outcome, [call.status for call in result.tool_calls]) == ("tool_call_limit", ["ok"] * ran)
        assert str(result).endswith("repeats them): " + ", ".join(["add (ok)"] * ran))
    assert client.execute("tools['add'].run(a=1, b=2)", max_tool_calls=1).result == 3


def test_code_that_calls_what_is_not_there_runs_only_if_it_is_told_to(local: Local) -> None:
    client = local(add=add)
    code = "print('begun')\nif len('x') > 3:\n    tools['ad'].run(a=1, b=2)\n"
    checked, unchecked = client.execute(code), client.execute(code, check_tools=False)
    assert (checked.success, checked.stdout) == (False, "")
    assert checked.error and checked.error.error_type == "ToolCheckError" and "'add'" in checked.error.message
    assert (unchecked.success, unchecked.stdout) == (True, "begun\n")


# Events

EXPECTED: list[Any] = [
    Stdout("before\n"),
    ToolCallStarted(1, "add", {"a": 1, "b": 2}),
    ToolProgress(1, "add", "adding", 0.5),
    ("add", "ok"),
    ToolCallStarted(2, "fetch", {"key": "k"}),
    ToolProgress(2, "fetch", "connected", None),
    ("fetch", "ok"),
    Stderr("after\n"),
]
TELLS = """
import sys
print('before', flush=True)
value = tools['add'].run(a=1, b=2)
tools['fetch'].run(key='k')
print('after', file=sys.stderr, flush=True)
value
"""


def told(events: list[Any]) -> list[Any]:
    """With the ids counted from one, and finished calls without their duration."""
    ids = {call_id: n for n, call_id in enumerate(dict.fromkeys(e.call_id for e in events if hasattr(e, "call_id")), 1)}
    found: list[Any] = []
    for event in events:
        if isinstance(event, ToolCallFinished):
            found.append((event.name, event.status))
        elif isinstance(event, ToolCallStarted):
            found.append(ToolCallStarted(ids[event.call_id], event.name, event.arguments))
        elif isinstance(event, ToolProgress):
            found.append(ToolProgress(ids[event.call_id], event.name, event.message, event.fraction))
        else:
            found.append(event)
    return found


def test_a_stream_tells_all_that_happens(local: Local) -> None:
    *events, last = local(add=add, fetch=fetch).stream(TELLS)
    assert told(events) == EXPECTED
    assert isinstance(last, Finished) and last.result.result == 3


def test_an_async_stream_tells_the_same() -> None:
    async def main() -> None:
        async with AsyncCodemode.local(registry=registry_of(add=add, fetch=fetch)) as client:
            *events, last = [event async for event in client.stream(TELLS)]
            assert told(events) == EXPECTED
            assert isinstance(last, Finished) and last.result.result == 3
            seen: list[Any] = []
            sinks: Any = dict.fromkeys(("on_stdout", "on_stderr", "on_tool_call"), seen.append)
            assert (await client.execute(TELLS, **sinks)).result == 3
            expected = [event.text if isinstance(event, (Stdout, Stderr)) else event for event in EXPECTED]
            assert told(seen) == expected

    asyncio.run(main())


def test_a_call_that_the_code_leaves_behind_is_abandoned(local: Local) -> None:
    release, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait(60)

    code = "import threading\nthreading.Thread(target=tools['hang'].run, daemon=True).start()\ntools['wait'].run()"
    events: list[Any] = []
    try:
        client = local(hang=hang, wait=lambda: begun.wait(30))
        result = client.execute(code, on_tool_call=events.append)
    finally:
        release.set()
    assert {call.name: call.status for call in result.tool_calls} == {"hang": "abandoned", "wait": "ok"}
    ended = {event.name: event.status for event in events if isinstance(event, ToolCallFinished)}
    assert ended == {"wait": "ok", "hang": "abandoned"}


def test_all_output_arrives_at_a_reader_who_is_slow(local: Local) -> None:
    code = "import sys\nfor n in range(40000):\n    print(n, 'x' * 20)\n    print(n, file=sys.stderr)"
    client = local()
    events = client.stream(code)
    first = next(events)
    assert client.execute("1 + 1").result == 2  # the reader does something else first
    *rest, last = events
    assert isinstance(last, Finished) and last.result.success, str(last)
    for kind, whole in ((Stdout, last.result.stdout), (Stderr, last.result.stderr)):
        assert "".join(event.text for event in [first, *rest] if isinstance(event, kind)) == whole


@pytest.mark.parametrize("how", ["break", "close"])
def test_leaving_a_stream_ends_the_sandbox(local: Local, token: str, how: str) -> None:
    client = local(seen=lambda: None)
    running: list[processes.Process] = []
    events = client.stream(NAME.format(token=token) + HOLD)
    for event in events:
        if isinstance(event, ToolCallFinished):
            running = processes.named(token)
            if how == "close":
                events.close()
            break
    del events
    assert len(running) == 2
    assert not processes.left_after(running, 10)
    assert client.execute("2 + 2").result == 4


@pytest.mark.parametrize("how", ["break", "cancel"])
def test_leaving_an_async_stream_ends_the_sandbox(token: str, how: str) -> None:
    async def main() -> None:
        running: list[processes.Process] = []
        seen = asyncio.Event()

        async def reads(events: Any) -> None:
            async for event in events:
                if isinstance(event, ToolCallFinished):
                    running.extend(processes.named(token))
                    seen.set()
                    if how == "break":
                        break

        async with AsyncCodemode.local(registry=registry_of(seen=lambda: None)) as client:
            task = asyncio.create_task(reads(client.stream(NAME.format(token=token) + HOLD)))
            await asyncio.wait_for(seen.wait(), 60)
            if how == "cancel":
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert len(running) == 2
            assert not await asyncio.to_thread(processes.left_after, running, 10)
            assert (await client.execute("2 + 2")).result == 4

    asyncio.run(main())


def test_a_stream_raises_when_the_executor_is_gone(tmp_path: Path) -> None:
    absent = ClientConfig.model_validate({"executor_url": "http://127.0.0.1:1", "retry": {"enabled": False}})
    with Codemode(absent) as client, pytest.raises(ExecutorConnectionError):
        list(client.stream("1"))
    with Daemon(tmp_path, {}) as daemon:
        config = ClientConfig(executor_url=daemon.url, executor_api_key=daemon.key)
        with Codemode(config) as client:
            events: list[Event] = []
            with pytest.raises(ExecutorConnectionError):
                for event in client.stream("print('x', flush=True)\nimport signal\nsignal.pause()"):
                    events.append(event)
                    daemon.stop(signal.SIGKILL)
            assert events == [Stdout("x\n")]
