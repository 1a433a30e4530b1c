"""`on_approval`: what its answers do, where it runs, and what becomes of the call meanwhile."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Literal

import pytest
from fake_native import NativeClient, Run, failed, ok

from codemode import AsyncCodemode, Codemode, ComponentRegistry
from codemode.tools import ApprovalDecision, ApprovalRequest, ApprovalRule

Native = type[NativeClient]


class Desk:
    """A tool that asks, code that calls it, and what came of both."""

    def __init__(self, native: Native, *, is_async: bool = False, approval: Any = "ask") -> None:
        self.ran: list[Any] = []
        self.run: Run | None = None
        self.registry = ComponentRegistry()

        def remove(path: str) -> str:
            self.ran.append(path)
            return "removed"

        async def remove_later(path: str) -> str:
            return remove(path)

        function: Callable[..., Any] = remove_later if is_async else remove
        self.registry.register_tool("remove", function, description="Removes.", approval=approval)

        def script(run: Run) -> Any:
            self.run = run
            try:
                return ok(run.call("remove", path="/x"))
            except LookupError as problem:
                records = [run.record("remove", "error", str(problem), path="/x")]
                return failed("ToolError", str(problem), tool_calls=records)

        native.script = staticmethod(script)


async def later(answer: Any) -> Any:
    await asyncio.sleep(0)
    return answer


@pytest.mark.parametrize("client", ["sync", "async"])
@pytest.mark.parametrize("is_async_tool", [False, True])
@pytest.mark.parametrize("is_async_callback", [False, True])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (True, None),
        (ApprovalDecision(True), None),
        (False, "the application said no (this call needs approval)"),
        (ApprovalDecision(False, "not on a Sunday"), "not on a Sunday"),
        ("yes", "it could not be asked for approval; the application's log has the reason"),
        (None, "it could not be asked for approval; the application's log has the reason"),
        (ApprovalDecision("yes"), "it could not be asked for approval"),  # type: ignore[arg-type]
        (ZeroDivisionError("secret"), "it could not be asked for approval; the application's log has the reason"),
    ],
)
def test_the_answer_decides(
    native: Native, client: str, is_async_tool: bool, is_async_callback: bool, answer: Any, reason: str | None
) -> None:
    desk = Desk(native, is_async=is_async_tool)
    asked: list[ApprovalRequest] = []

    def callback(request: ApprovalRequest) -> Any:
        asked.append(request)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def async_callback(request: ApprovalRequest) -> Any:
        return await later(callback(request))

    chosen: Any = async_callback if is_async_callback else callback

    async def main() -> Any:
        return await AsyncCodemode(registry=desk.registry, on_approval=chosen).execute("…", context={"user": "ada"})

    if client == "sync":
        with Codemode(registry=desk.registry, on_approval=chosen) as codemode:
            result = codemode.execute("…", context={"user": "ada"})
    else:
        result = asyncio.run(main())
    (request,) = asked
    assert (request.tool, request.arguments, request.reason) == ("remove", {"path": "/x"}, "this call needs approval")
    assert (request.context.get("user"), request.execution_id, request.call_id) == ("ada", "exec-1", 1)
    assert desk.run and desk.run.held == [True, False]
    if reason is None:
        assert (result.result, desk.ran) == ("removed", ["/x"])
    else:
        assert desk.ran == []
        assert result.error and result.error.message.startswith(f"the call of tool 'remove' was denied: {reason}")
        assert [(call.status, call.ran) for call in result.tool_calls] == [("denied", False)]
        assert "secret" not in str(result)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_callback_that_would_end_the_process_is_a_no(native: Native, is_async: bool) -> None:
    def leaves(request: ApprovalRequest) -> bool:
        raise SystemExit(3)

    async def leaves_later(request: ApprovalRequest) -> bool:
        raise SystemExit(3)

    desk = Desk(native)
    result = Codemode(registry=desk.registry, on_approval=leaves_later if is_async else leaves).execute("…")
    assert [call.status for call in result.tool_calls] == ["denied"]
    assert desk.run and (desk.run.held, desk.ran) == ([True, False], [])


def test_an_async_callback_whose_own_wait_was_cancelled_is_a_no(native: Native) -> None:
    async def gives_up(request: ApprovalRequest) -> bool:
        raise asyncio.CancelledError

    desk = Desk(native)
    result = asyncio.run(AsyncCodemode(registry=desk.registry, on_approval=gives_up).execute("…"))
    assert [call.status for call in result.tool_calls] == ["denied"]
    assert desk.run and (desk.run.held, desk.ran) == ([True, False], [])


def test_without_a_callback_ask_means_deny(native: Native) -> None:
    desk = Desk(native)
    result = Codemode(registry=desk.registry).execute("…")
    assert result.error
    assert result.error.message == (
        "the call of tool 'remove' was denied: this call needs approval, and this client has no on_approval"
    )
    assert (desk.ran, desk.run and desk.run.held) == ([], [])


def test_what_is_denied_or_invalid_is_not_asked(native: Native) -> None:
    asked: list[Any] = []
    desk = Desk(native, approval=[ApprovalRule("path", "/x", "deny")])
    result = Codemode(registry=desk.registry, on_approval=asked.append).execute("…")
    assert result.error and result.error.message.endswith("was denied: argument 'path' matches '/x'")
    native.script = staticmethod(lambda run: ok(run.call("remove", pth="/x")))
    with pytest.raises(LookupError, match="invalid arguments"):
        Codemode(registry=desk.registry, on_approval=asked.append).execute("…")
    native.script = staticmethod(lambda run: ok(run.call("__list__")["count"]))
    assert Codemode(registry=desk.registry, on_approval=asked.append).execute("…").result == 1
    assert asked == []


def test_the_executions_callback_wins(native: Native) -> None:
    desk = Desk(native)
    client = Codemode(registry=desk.registry, on_approval=lambda request: False)
    assert not client.execute("…").success
    assert client.execute("…", on_approval=lambda request: True).success
    assert not client.with_context(a=1).execute("…").success
    for call in (lambda: client.execute("…", on_approval=5), lambda: Codemode(on_approval=5)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="on_approval must be a function, got int 5"):
            call()


def test_what_a_callback_changes_is_its_own_copy(native: Native) -> None:
    got: list[Any] = []
    registry = ComponentRegistry()
    registry.register_tool("keep", lambda items: got.append(items), description="Keeps.", approval=True)

    def tampers(request: ApprovalRequest) -> bool:
        request.arguments["items"].clear()
        return True

    native.script = staticmethod(lambda run: ok(run.call("keep", items=[1, 2])))
    assert Codemode(registry=registry, on_approval=tampers).execute("…").success
    assert got == [[1, 2]]


def test_an_async_callback_runs_on_the_right_loop(native: Native) -> None:
    desk = Desk(native)
    seen: list[Any] = []

    async def callback(request: ApprovalRequest) -> bool:
        seen.append((asyncio.get_running_loop(), threading.current_thread().name))
        return True

    async def main() -> None:
        await AsyncCodemode(registry=desk.registry, on_approval=callback).execute("…")
        assert seen.pop()[0] is asyncio.get_running_loop()

    asyncio.run(main())
    with Codemode(registry=desk.registry, on_approval=callback) as client:
        client.execute("…")
    assert seen.pop()[1] == "codemode-async-tools"


def test_approvals_of_one_execution_overlap_and_hold_no_thread(native: Native) -> None:
    calls = 100

    async def main() -> int:
        registry = ComponentRegistry()
        registry.register_tool("touch", lambda: 1, description="Touches.", approval="ask")
        everyone = asyncio.Event()
        waiting = 0

        async def callback(request: ApprovalRequest) -> bool:
            nonlocal waiting
            waiting += 1
            if waiting == calls:
                everyone.set()
            await everyone.wait()
            return True

        def script(run: Run) -> Any:
            resumed: queue.SimpleQueue[Any] = queue.SimpleQueue()
            begun = [
                run.dispatch("exec-1", call_id, "touch", b"{}", 99, resumed.put, run.held.append)
                for call_id in range(calls)
            ]
            # One thread has begun all of them, and none has an answer yet.
            assert begun == [None] * calls
            return ok(sum(resumed.get(timeout=10)() == (True, b"1") for _ in range(calls)))

        native.script = staticmethod(script)
        return int((await AsyncCodemode(registry=registry, on_approval=callback).execute("…")).result)

    assert asyncio.run(main()) == calls


@pytest.mark.parametrize("is_async_tool", [False, True])
@pytest.mark.parametrize("is_async_callback", [False, True])
@pytest.mark.parametrize("end", ["abandon", "close"])
def test_a_call_that_was_given_up_while_it_waited_never_runs(
    native: Native, is_async_tool: bool, is_async_callback: bool, end: Literal["abandon", "close"]
) -> None:
    desk = Desk(native, is_async=is_async_tool)
    asked, decide = threading.Event(), threading.Event()

    def callback(request: ApprovalRequest) -> bool:
        asked.set()
        return decide.wait(10)

    async def async_callback(request: ApprovalRequest) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    def script(run: Run) -> Any:
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(_fails(run)))
        caller.start()
        assert asked.wait(10)
        run.dispatch.abandon(1) if end == "abandon" else run.dispatch.close()
        decide.set()
        caller.join(10)
        assert run.held[:2] == [True, False] and True not in run.held[1:]
        return failed("ToolError", answers[0])

    native.script = staticmethod(script)
    on_approval: Any = async_callback if is_async_callback else callback
    with Codemode(registry=desk.registry, on_approval=on_approval) as client:
        result = client.execute("…")
    assert result.error and result.error.message == "the call was cancelled"
    assert desk.ran == []


def _fails(run: Run) -> str:
    with pytest.raises(LookupError) as caught:
        run.call("remove", path="/x")
    return str(caught.value.args[0])


def test_only_the_denied_one_of_calls_that_look_alike(native: Native) -> None:
    answers = iter([True, False, True])
    registry = ComponentRegistry()

    def remove(path: str) -> None:
        raise ValueError("it is gone")

    registry.register_tool(remove, description="Removes.", approval="ask")

    def script(run: Run) -> Any:
        messages = [_fails(run) for _ in range(3)]
        return failed(
            "ToolError", "…", tool_calls=[run.record("remove", "error", message, path="/x") for message in messages]
        )

    native.script = staticmethod(script)
    result = Codemode(registry=registry, on_approval=lambda request: next(answers)).execute("…")
    found = [(call.status, call.ran) for call in result.tool_calls]
    assert found == [("error", True), ("denied", False), ("error", True)]
    assert str(result).endswith("repeats them): remove (error), remove (error)")
