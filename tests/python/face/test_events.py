"""What callbacks and streams are told of an execution, and when."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import Any

import pytest
from fake_native import NativeClient, Run, ok, raw, script

from codemode import AsyncCodemode, Codemode, ComponentRegistry
from codemode._watch import Watch
from codemode.events import (
    ApprovalRequested,
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

    async def fetch(path: str) -> str:
        """Fetches."""
        await asyncio.sleep(0)
        report_progress("connected")
        return path

    def boom() -> None:
        """Fails."""
        raise ValueError("no")

    registry.register_tool(copy)
    registry.register_tool(fetch)
    registry.register_tool(boom)
    registry.register_tool("risky", copy, approval="ask")
    return registry


def told(events: list[Any]) -> list[Any]:
    """The events with their durations, which differ, taken out."""
    return [
        (event.name, event.status, event.error) if isinstance(event, ToolCallFinished) else event for event in events
    ]


def calls_everything(run: Run) -> Any:
    run.call("copy", path="/a")
    run.call("fetch", path="/b")
    run.call("risky", path="/c")
    for name, arguments in (("boom", {}), ("copy", {"pth": 1}), ("nothing", {})):
        with pytest.raises(LookupError):
            run.call(name, **arguments)
    run.call("__list__")
    return raw()


EVERYTHING: list[Any] = [
    ToolCallStarted(1, "copy", {"path": "/a"}),
    ToolProgress(1, "copy", "half", 0.5),
    ("copy", "ok", None),
    ToolCallStarted(2, "fetch", {"path": "/b"}),
    ToolProgress(2, "fetch", "connected", None),
    ("fetch", "ok", None),
    ToolCallStarted(3, "risky", {"path": "/c"}),
    ApprovalRequested(3, "risky", {"path": "/c"}),
    ToolProgress(3, "risky", "half", 0.5),
    ("risky", "ok", None),
    ToolCallStarted(4, "boom", {}),
    ("boom", "error", "no"),
    ToolCallStarted(5, "copy", {"pth": 1}),
    (
        "copy",
        "error",
        (
            "invalid arguments for tool 'copy': path: required, but missing (str); "
            "pth: no such parameter, did you mean 'path'?"
        ),
    ),
    ToolCallStarted(6, "nothing", {}),
    ("nothing", "error", "no tool 'nothing' (available tools: copy, fetch, boom, risky)"),
    ToolCallStarted(7, "__list__", {}),
    ("__list__", "ok", None),
]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_every_call_is_told_from_start_to_end(native: Native, asynchronous: bool, streamed: bool) -> None:
    script(native, calls_everything)
    events = run_and_listen(asynchronous, streamed, registry=tools(), on_approval=lambda request: True)
    assert told(events) == EVERYTHING
    assert all(event.duration_ms >= 0 for event in events if isinstance(event, ToolCallFinished))


def run_and_listen(asynchronous: bool, streamed: bool, **options: Any) -> list[Any]:
    """The tool events of one execution, however it was watched."""
    events: list[Any] = []

    async def main() -> None:
        async with AsyncCodemode(**options) as client:
            if streamed:
                events.extend([event async for event in client.stream("…")][:-1])
            else:
                await client.execute("…", on_tool_call=events.append)

    if asynchronous:
        asyncio.run(main())
        return events
    with Codemode(**options) as client:
        if streamed:
            events.extend(list(client.stream("…"))[:-1])
        else:
            client.execute("…", on_tool_call=events.append)
    return events


def test_a_denied_call_is_told_as_denied(native: Native) -> None:
    def denied(run: Run) -> Any:
        with pytest.raises(LookupError):
            run.call("risky", path="/c")
        return raw()

    script(native, denied)
    events = run_and_listen(False, False, registry=tools(), on_approval=lambda request: False)
    assert [type(event) for event in events] == [ToolCallStarted, ApprovalRequested, ToolCallFinished]
    assert (events[-1].status, "was denied" in events[-1].error) == ("denied", True)


@pytest.mark.parametrize(("timed_out", "status"), [(True, "timeout"), (False, "abandoned")])
def test_a_call_that_was_given_up(native: Native, timed_out: bool, status: str) -> None:
    release = threading.Event()
    begun = threading.Event()
    registry = ComponentRegistry()

    def hangs() -> None:
        """Hangs."""
        begun.set()
        release.wait(10)
        report_progress("nobody hears this")

    registry.register_tool(hangs)

    def gives_up(run: Run) -> Any:
        worker = threading.Thread(target=lambda: run.call("hangs"))
        worker.start()
        assert begun.wait(10)
        run.dispatch.abandon(1, timed_out)
        release.set()
        worker.join(10)
        return raw()

    script(native, gives_up)
    events = run_and_listen(False, False, registry=registry)
    assert [type(event) for event in events] == [ToolCallStarted, ToolCallFinished]
    assert events[-1].status == status


def test_the_executors_record_says_whose_time_was_up_where_its_word_is_underway() -> None:
    events: list[Any] = []
    watch = Watch(events.append)
    for call_id, name in enumerate(["slow", "slow", "other", "slow"]):
        watch.started(call_id, name, dict)
    watch.given_up(0, True)
    watch.close(["slow", "slow"])
    assert [event.status for event in events[4:]] == ["timeout", "timeout", "abandoned", "abandoned"]


def test_what_is_pending_at_the_end_is_told_before_the_result(native: Native) -> None:
    begun = threading.Event()
    registry = ComponentRegistry()

    async def hangs() -> None:
        """Hangs."""
        begun.set()
        await asyncio.Event().wait()

    registry.register_tool(hangs)

    def leaves(run: Run) -> Any:
        threading.Thread(target=lambda: _quietly(run, "hangs"), daemon=True).start()
        assert begun.wait(10)
        return raw()

    script(native, leaves)
    for asynchronous in (False, True):
        for streamed in (False, True):
            begun.clear()
            events = run_and_listen(asynchronous, streamed, registry=registry)
            assert [(type(event), getattr(event, "status", None)) for event in events] == [
                (ToolCallStarted, None),
                (ToolCallFinished, "abandoned"),
            ]


def _quietly(run: Run, name: str) -> None:
    with contextlib.suppress(LookupError):
        run.call(name)


@pytest.mark.parametrize("failure", [ZeroDivisionError, SystemExit])
def test_a_callback_that_fails_harms_nothing(native: Native, failure: type[BaseException]) -> None:
    script(native, lambda run: ok(run.call("copy", path="/a")))

    def fails(event: Any) -> None:
        raise failure

    assert Codemode(registry=tools()).execute("…", on_tool_call=fails).result == "/a"
    assert asyncio.run(AsyncCodemode(registry=tools()).execute("…", on_tool_call=fails)).result == "/a"
    with pytest.raises(TypeError, match="on_tool_call must be a function, got int 5"):
        Codemode().execute("1", on_tool_call=5)  # type: ignore[arg-type]


def test_async_callbacks_run_on_the_loop_and_in_order_with_the_output(native: Native) -> None:
    def prints_and_calls(run: Run) -> Any:
        run.output(1, b"before")
        run.call("copy", path="/a")
        run.output(2, b"after")
        return raw()

    script(native, prints_and_calls)
    seen: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def note(news: Any) -> None:
            assert asyncio.get_running_loop() is loop
            seen.append(type(news).__name__)

        sinks: Any = dict.fromkeys(("on_stdout", "on_stderr", "on_tool_call"), note)
        await AsyncCodemode(registry=tools()).execute("…", **sinks)

    asyncio.run(main())
    assert seen == ["str", "ToolCallStarted", "ToolProgress", "ToolCallFinished", "str"]


def test_progress_knows_its_call_and_nothing_else(native: Native) -> None:
    report_progress("outside of a tool call this does nothing", 1)
    for wrong in (-0.1, 1.1, float("nan"), True, "half"):
        with pytest.raises(ValueError, match="fraction must be from 0 to 1, or None, got"):
            report_progress("x", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a progress message is text, got int"):
        report_progress(5)  # type: ignore[arg-type]

    registry = ComponentRegistry()

    def threads() -> None:
        """Starts threads."""
        known = contextvars.copy_context()
        for target in (
            lambda: report_progress("of a thread that knows no call"),
            lambda: known.run(report_progress, "of one that does"),
        ):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join(10)

    async def tasks() -> None:
        """Starts tasks."""
        await asyncio.gather(*(asyncio.create_task(step(number)) for number in range(2)))

    async def step(number: int) -> None:
        report_progress(f"task {number}", number)

    registry.register_tool(threads)
    registry.register_tool(tasks)
    script(native, lambda run: ok([run.call("threads"), run.call("tasks")]))
    events = run_and_listen(False, False, registry=registry)
    assert [(event.call_id, event.message) for event in events if isinstance(event, ToolProgress)] == [
        (1, "of one that does"),
        (2, "task 0"),
        (2, "task 1"),
    ]


def test_a_tool_that_executes_code_reports_to_its_own_caller(native: Native) -> None:
    registry = tools()
    inner: list[Any] = []

    def outer() -> Any:
        """Executes code."""
        report_progress("outer")
        result = client.execute("inner", on_tool_call=inner.append).result
        report_progress("outer again")
        return result

    registry.register_tool(outer)
    client = Codemode(registry=registry)
    script(native, lambda run: ok(run.call("copy", path="/a") if run.code == "inner" else run.call("outer")))
    events: list[Any] = []
    assert client.execute("outer", on_tool_call=events.append).result == "/a"
    assert [event.message for event in events if isinstance(event, ToolProgress)] == ["outer", "outer again"]
    assert [event.message for event in inner if isinstance(event, ToolProgress)] == ["half"]
