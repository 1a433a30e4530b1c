"""Streams of events: their order, their end, and readers who are slow or leave."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fake_native import NativeClient, NativeError, Run, ok, raw, script

import codemode
from codemode import AsyncCodemode, Codemode, ComponentRegistry
from codemode._stream import Channel
from codemode.config import ClientConfig
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

Native = type[NativeClient]


def tools() -> ComponentRegistry:
    registry = ComponentRegistry()

    def copy(path: str) -> str:
        """Copies."""
        report_progress("half", 0.5)
        return path

    registry.register_tool(copy)
    return registry


def collected(events: Iterator[Event]) -> tuple[list[Any], Any]:
    *before, last = events
    assert isinstance(last, Finished)
    return before, last.result


def test_a_stream_tells_everything_in_order_and_ends_with_the_result(native: Native) -> None:
    def prints(run: Run) -> Any:
        run.output(1, b"caf\xc3")
        run.output(1, b"\xa9\n")
        run.call("copy", path="/a")
        run.output(2, b"oops")
        run.output(1, b"\xe2\x82")
        return ok(5)

    script(native, prints)
    before, result = collected(Codemode(registry=tools()).stream("…"))
    assert "".join(event.text for event in before if isinstance(event, Stdout)) == "café\n\ufffd"
    kinds = [type(event).__name__ for event in before if not isinstance(event, Stdout)]
    assert kinds == ["ToolCallStarted", "ToolProgress", "ToolCallFinished", "Stderr"]
    assert result.result == 5

    async def main() -> list[Any]:
        client = Codemode(registry=tools())
        return [event async for event in client.stream_async("…")]

    assert [type(event).__name__ for event in asyncio.run(main())[-2:]] == ["Stdout", "Finished"]


def test_nothing_runs_before_it_is_asked_for_and_mistakes_are_told_at_once(native: Native) -> None:
    client = Codemode()
    events = client.stream("1")
    assert native.created[0].runs == []
    next(events)
    assert len(native.created[0].runs) == 1
    with pytest.raises(TypeError, match="code must be str or bytes"):
        client.stream(1)  # type: ignore[arg-type]
    with pytest.raises(codemode.ConfigError, match="max_tool_calls must be a number of calls, 1 or more"):
        client.stream("1", max_tool_calls=0)
    client.close()
    with pytest.raises(codemode.CodemodeError, match="this client is closed"):
        client.stream("1")


@pytest.mark.parametrize("how", ["break", "close", "raise", "forget"])
def test_leaving_a_stream_early_ends_the_execution(native: Native, how: str) -> None:
    full, over = threading.Event(), threading.Event()

    def prints_forever(run: Run) -> Any:
        printed = 0
        while not run.cancelled.is_set():
            run.output(1 + printed % 2, b"x")  # soon waits for the reader
            printed += 1
            if printed == 257:
                full.set()
        over.set()
        return raw(outcome="cancelled", success=False)

    script(native, prints_forever)
    events = Codemode().stream("…")
    assert isinstance(next(events), Stdout)
    assert full.wait(10)
    if how == "close":
        events.close()
    elif how == "raise":
        with pytest.raises(ZeroDivisionError):
            events.throw(ZeroDivisionError())
    elif how == "break":
        for _ in events:
            break
        del events, _
    else:
        del events
        gc.collect()
    assert over.wait(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("how", ["next", "close"])
def test_a_forked_child_neither_waits_for_a_stream_nor_ends_it(native: Native, how: str) -> None:
    goes_on, is_held = threading.Event(), threading.Event()

    def prints(run: Run) -> Any:
        run.output(1, b"x")
        assert goes_on.wait(10)
        return ok(run.cancelled.is_set())

    script(native, prints)
    client = Codemode(registry=tools())
    events = client.stream("…")
    assert isinstance(next(events), Stdout)
    frame = events.gi_frame
    assert frame is not None
    call, channel = frame.f_locals["call"], frame.f_locals["channel"]

    def tells() -> None:  # as other threads may at that moment
        with channel._changed, call.dispatcher._lock, call.dispatcher._watch._lock:
            is_held.set()
            assert goes_on.wait(10)

    teller = threading.Thread(target=tells)
    teller.start()
    assert is_held.wait(10)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if how == "close":
                events.close()
                code = 0
            else:
                try:
                    next(events)
                except codemode.CodemodeError as error:
                    code = 0 if error.code == "forked" and "stream" in str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    goes_on.set()
    teller.join()
    *_, last = events
    assert isinstance(last, Finished) and last.result.result is False


@pytest.mark.parametrize("how", ["break", "cancel"])
def test_leaving_an_async_stream_early_ends_the_execution(native: Native, how: str) -> None:
    over, silent = threading.Event(), threading.Event()

    def prints_once(run: Run) -> Any:
        run.output(1, b"x")
        if how == "break":
            while not run.cancelled.is_set():
                run.output(2, b"y" * 100_000)
        run.cancelled.wait(10)
        over.set()
        return raw()

    script(native, prints_once)

    async def main() -> None:
        async def reads() -> None:
            async for _ in AsyncCodemode().stream("…"):
                if how == "break":
                    break
                silent.set()

        task = asyncio.create_task(reads())
        if how == "cancel":
            await asyncio.to_thread(silent.wait, 10)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.to_thread(over.wait, 10)

    asyncio.run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_raises_what_execute_would_raise(native: Native, asynchronous: bool) -> None:
    attempts: list[str] = []
    config = ClientConfig.model_validate({"retry": {"backoff_base_ms": 10}, "executor_url": "http://x"})

    def fails(run: Run) -> Any:
        attempts.append(run.code)
        if run.code == "late" and len(attempts) == 3:
            return ok("in the end")
        if run.code == "long":
            raise NativeError("code_too_long", "too long", False, None, "ExecutionFailed")
        if run.code == "prints":
            run.output(1, b"x")
        raise NativeError("connection", "refused", True, None, "ExecutorConnectionError")

    script(native, fails)

    def read(code: str) -> list[Any]:
        async def main() -> list[Any]:
            return [event async for event in AsyncCodemode(config).stream(code)]

        return asyncio.run(main()) if asynchronous else list(Codemode(config).stream(code))

    assert [event.result.result for event in read("late")] == ["in the end"]
    attempts.clear()
    with pytest.raises(codemode.ExecutorConnectionError, match="refused"):
        read("never")
    assert len(attempts) == 3
    attempts.clear()
    with pytest.raises(codemode.ExecutorConnectionError, match="refused"):
        read("prints")
    assert len(attempts) == 1
    assert read("long")[-1].result.outcome == "rejected"


def test_a_sync_stream_in_an_async_tool_would_wait_for_itself(native: Native) -> None:
    registry = ComponentRegistry()

    async def nests() -> None:
        """Nests."""
        client.stream("1")

    registry.register_tool(nests)
    script(native, lambda run: ok(run.call("nests")))
    with Codemode(registry=registry) as client, pytest.raises(LookupError, match="stream_async"):
        client.execute("…")


# How far a reader may be behind


def test_output_is_put_together_and_never_lost() -> None:
    channel = Channel()
    for number in range(50_000):
        channel.stdout(f"{number};")
    channel.stderr("between")
    channel.stdout("end")
    channel.done({}, None)
    events = list(channel.rest())
    assert len(events) < 20
    out = "".join(event.text for event in events if isinstance(event, Stdout))
    assert out == "".join(f"{number};" for number in range(50_000)) + "end"
    assert events[-2:] == [Stderr("between"), Stdout("end")]


def test_output_waits_for_a_reader_who_is_behind() -> None:
    channel = Channel()
    told = []

    def prints() -> None:
        for number in range(5000):
            (channel.stdout if number % 2 else channel.stderr)("x")
            told.append(number)
        channel.done({}, None)

    printer = threading.Thread(target=prints)
    printer.start()
    most = read = 0
    while channel.take() is not None:
        read += 1
        most = max(most, len(told) - read)
    printer.join(10)
    assert read == 5000
    assert most <= 257


def test_a_reader_who_leaves_keeps_nobody_waiting() -> None:
    channel = Channel()
    printer = threading.Thread(target=lambda: [(channel.stdout("x"), channel.stderr("x")) for _ in range(1000)])
    caller = threading.Thread(target=lambda: [channel.tell(ToolCallStarted(n, "copy")) for n in range(1000)])
    printer.start()
    caller.start()
    assert channel.take() is not None
    channel.leave()
    printer.join(10)
    caller.join(10)
    assert not printer.is_alive() and not caller.is_alive()


def test_calls_wait_for_a_reader_who_is_behind_until_the_execution_is_over() -> None:
    channel = Channel()
    begun: list[int] = []

    def calls() -> None:
        for number in range(100):
            channel.tell(ToolCallStarted(number, "copy", {"data": "x"}))
            begun.append(number)
            channel.tell(ToolCallFinished(number, "copy", "ok", 1.0))

    caller = threading.Thread(target=calls)
    caller.start()
    for read in range(100):
        assert isinstance(channel.take(), ToolCallStarted)
        assert len(begun) <= read + 33
        assert isinstance(channel.take(), ToolCallFinished)
    caller.join(10)
    caller = threading.Thread(target=calls)
    caller.start()
    channel.done({}, None)
    caller.join(10)
    assert len(begun) == 200


def test_what_is_told_on_a_loop_never_waits_and_of_progress_the_latest_counts() -> None:
    channel = Channel()
    for number in range(10_000):
        channel.tell(ToolProgress(number % 2, "copy", f"step {number}"))
    channel.tell(ToolCallFinished(1, "copy", "ok", 1.0))
    channel.done({}, None)
    events: list[Any] = list(channel.rest())
    assert len(events) <= 260
    assert {event.message for event in events[:-1]} >= {"step 9998", "step 9999"}
    assert isinstance(events[-1], ToolCallFinished)
