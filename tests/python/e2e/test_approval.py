"""A person decides about tool calls of code that runs in the sandbox."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from codemode import AsyncCodemode, Codemode, tool
from codemode.events import ApprovalRequested, ToolCallFinished, ToolCallStarted
from codemode.tools import Approval, ApprovalDecision, ApprovalRequest, ApprovalRule
from e2e.conftest import Local, registry_of

SAFE = Approval("ask", [ApprovalRule("path", "/tmp/*", "allow"), ApprovalRule("path", "*/secret*", "deny")])


class Files:
    """A tool with rules, and what it was really called with."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def tool(self) -> Any:
        @tool(approval=SAFE)
        def remove(path: str = "/var/all") -> str:
            """Removes a file."""
            self.removed.append(path)
            return path

        return remove


def test_rules_and_the_person_decide(local: Local) -> None:
    files = Files()
    asked: list[ApprovalRequest] = []
    code = """
def attempt(**arguments):
    try:
        return tools['remove'].run(**arguments)
    except ToolError as error:
        return [error.error_type, str(error)]

answers = [attempt(path='/tmp/a'), attempt(path='/tmp/secret'), attempt(path='/home/a'), attempt()]
[*answers, tools['__list__'].run()['count']]
"""

    def decides(request: ApprovalRequest) -> ApprovalDecision:
        asked.append(request)
        return ApprovalDecision(request.arguments.get("path") == "/home/a", "not that one")

    events: list[Any] = []
    client = local(remove=files.tool()).with_context(user="ada")
    result = client.execute(code, on_approval=decides, on_tool_call=events.append)
    assert result.success, str(result)
    allowed, secret, home, default, count = result.result
    assert (allowed, home, count) == ("/tmp/a", "/home/a", 1)
    assert secret == [
        "ApprovalDenied",
        "the call of tool 'remove' was denied: argument 'path' matches '*/secret*'",
    ]
    assert default[0] == "ApprovalDenied" and default[1].endswith("not that one")
    assert files.removed == ["/tmp/a", "/home/a"]
    assert [(request.arguments, request.context.get("user")) for request in asked] == [
        ({"path": "/home/a"}, "ada"),
        ({}, "ada"),
    ]
    assert [(call.name, call.status, call.ran) for call in result.tool_calls] == [
        ("remove", "ok", True),
        ("remove", "denied", False),
        ("remove", "ok", True),
        ("remove", "denied", False),
        ("__list__", "ok", True),
    ]
    kinds = [type(event) for event in events if event.name == "remove"]
    assert kinds == [
        *(ToolCallStarted, ToolCallFinished) * 2,
        *(ToolCallStarted, ApprovalRequested, ToolCallFinished) * 2,
    ]
    assert [event.status for event in events if isinstance(event, ToolCallFinished)] == [
        call.status for call in result.tool_calls
    ]


def test_a_denial_that_the_code_does_not_catch_ends_it(local: Local) -> None:
    files = Files()
    result = local(remove=files.tool()).execute("tools['remove'].run(path='/home/a')")
    assert result.error and result.error.error_type == "ToolError"
    assert "this call needs approval, and this client has no on_approval" in str(result)
    assert "already ran" not in str(result)
    assert files.removed == []


def test_the_clock_of_a_call_stands_still_while_a_person_thinks(local: Local) -> None:
    release, overrun = threading.Event(), threading.Event()

    @tool(timeout=0.3, approval="ask")
    def careful() -> str:
        """Needs consent."""
        return "done"

    @tool(timeout=0.3)
    def hang() -> None:
        """Hangs."""
        release.wait(60)

    # Both calls begin together; the decision comes after the other one's time was up.
    code = """
import threading
def hangs():
    try:
        tools['hang'].run()
    except ToolError:
        tools['late'].run()
thread = threading.Thread(target=hangs)
thread.start()
answer = tools['careful'].run()
thread.join()
answer
"""
    try:
        client = local({"limits": {"code_timeout": 30}}, careful=careful, hang=hang, late=overrun.set)
        result = client.execute(code, on_approval=lambda request: overrun.wait(60))
    finally:
        release.set()
    assert result.result == "done", str(result)
    assert {call.name: call.status for call in result.tool_calls} == {"hang": "timeout", "careful": "ok", "late": "ok"}


@pytest.mark.parametrize("is_async_callback", [False, True])
def test_a_call_whose_execution_ended_while_it_waited_never_runs(
    local: Local, caplog: pytest.LogCaptureFixture, is_async_callback: bool
) -> None:
    files = Files()
    over, settled = threading.Event(), threading.Event()

    class Listens(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            settled.set()

    def decides(request: ApprovalRequest) -> bool:
        return over.wait(60)

    async def decides_later(request: ApprovalRequest) -> bool:
        await asyncio.Event().wait()
        return True

    on_approval: Any = decides_later if is_async_callback else decides
    log = logging.getLogger("codemode.tools")
    listener = Listens()
    log.addHandler(listener)
    try:
        with caplog.at_level(logging.INFO, log.name):
            client = local({"limits": {"total_timeout": 1}}, remove=files.tool())
            events: list[Any] = []
            result = client.execute("tools['remove'].run()", on_approval=on_approval, on_tool_call=events.append)
            over.set()
            if not is_async_callback:
                assert settled.wait(60)
    finally:
        log.removeHandler(listener)
    assert result.outcome == "timeout"
    assert [(call.status, call.ran) for call in result.tool_calls] == [("abandoned", False)]
    assert [event.status for event in events if isinstance(event, ToolCallFinished)] == ["abandoned"]
    assert files.removed == []


def test_many_calls_wait_at_once_and_hold_no_thread() -> None:
    calls = 100  # more than an execution has workers

    @tool(approval="ask", timeout=30)
    def touch(number: int) -> int:
        """Touches."""
        return number

    async def main() -> None:
        waiting = 0
        everyone = asyncio.Event()

        async def decides(request: ApprovalRequest) -> bool:
            nonlocal waiting
            waiting += 1
            if waiting == calls:
                everyone.set()
            await everyone.wait()
            return bool(request.arguments["number"] % 2)

        registry = registry_of(touch=touch)
        code = f"""
import asyncio
async def attempt(number):
    try:
        return await tools['touch'].arun(number=number)
    except ToolError:
        return None
await asyncio.gather(*(attempt(number) for number in range({calls})))
"""
        async with AsyncCodemode.local(registry=registry) as client:
            result = await client.execute(code, on_approval=decides)
        assert result.result == [number if number % 2 else None for number in range(calls)], str(result)
        assert [call.status for call in result.tool_calls].count("denied") == calls // 2

    asyncio.run(main())


def test_sync_callbacks_of_one_execution_overlap(local: Local) -> None:
    together = threading.Barrier(4)

    @tool(approval="ask")
    def touch() -> int:
        """Touches."""
        return 1

    def decides(request: ApprovalRequest) -> bool:
        together.wait(60)
        return True

    result = local(touch=touch).execute(
        "sum(tools.gather(*(tools['touch'].arun() for _ in range(4))))", on_approval=decides
    )
    assert result.result == 4, str(result)


def test_the_callback_of_the_client_and_of_its_copies() -> None:
    files = Files()
    with Codemode(registry=registry_of(remove=files.tool()), on_approval=lambda request: True) as client:
        assert client.with_context(user="ada").execute("tools['remove'].run(path='/a')").result == "/a"
        assert not client.execute("tools['remove'].run(path='/b')", on_approval=lambda request: False).success
    assert files.removed == ["/a"]
