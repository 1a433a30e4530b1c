"""Which calls run, which a person decides, and what becomes of the call meanwhile."""

from __future__ import annotations

import asyncio
import enum
import queue
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from fake_native import NativeClient, Run, failed, ok
from pydantic import BaseModel, Field, SecretStr

from codemode import AsyncCodemode, Codemode, ComponentRegistry, RegistryError, Tool, tool
from codemode._tool import ToolEntry
from codemode.tools import Approval, ApprovalDecision, ApprovalRequest, ApprovalRule

Native = type[NativeClient]


def entry_of(function: Any, approval: Any, **options: Any) -> ToolEntry:
    registry = ComponentRegistry()
    registry.register_tool("it", function, description="A tool.", approval=approval, **options)
    return registry.entries()["it"]


def verdict(function: Any, approval: Any, /, **given: Any) -> str:
    entry = entry_of(function, approval)
    return entry.gate.verdict(entry.arguments(given))[0] if entry.gate else "allow"


def deny(argument: str, pattern: str) -> Approval:
    return Approval("allow", [ApprovalRule(argument, pattern, "deny")])


def allow(argument: str, pattern: str) -> Approval:
    return Approval("ask", [ApprovalRule(argument, pattern, "allow")])


def anything(value: Any) -> None: ...


def text(value: str) -> None: ...


@pytest.mark.parametrize(
    ("approval", "expected"),
    [
        (None, "allow"),
        ("allow", "allow"),
        (False, "allow"),
        ("ask", "ask"),
        (True, "ask"),
        ("deny", "deny"),
        (Approval(), "ask"),
        (Approval("deny"), "deny"),
        (Approval("allow"), "allow"),
        ([], "allow"),
    ],
)
def test_what_holds_for_every_call(approval: Any, expected: str) -> None:
    assert verdict(text, approval, value="x") == expected


def test_deny_beats_ask_beats_allow_beats_the_default() -> None:
    rules = [
        ApprovalRule("value", "*", "allow"),
        ApprovalRule("value", "/etc*", "ask"),
        ApprovalRule("value", "/etc/shadow", "deny"),
    ]
    for order in (rules, rules[::-1]):
        found = {
            value: verdict(text, Approval("deny", order), value=value) for value in ("/tmp", "/etc", "/etc/shadow")
        }
        assert found == {"/tmp": "allow", "/etc": "ask", "/etc/shadow": "deny"}
    assert verdict(text, Approval("deny", rules[1:]), value="/tmp") == "deny"
    assert verdict(text, rules[1:], value="/tmp") == "allow"


class Color(str, enum.Enum):
    RED = "red"


class Job(BaseModel):
    path: str
    mode: str = "ro"
    token: SecretStr = SecretStr("")
    hidden: str = Field("", exclude=True)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("/etc/*", "/etc/passwd", True),
        ("/etc/*", "/ETC/passwd", False),
        ("*.txt", "a\nb.txt", True),
        ("?", "ab", False),
        ("[ab]*", "bc", True),
        ("5", 5, True),
        ("5", "5", True),
        ("5", 5.5, False),
        ("true", True, True),
        ("null", None, True),
        ("2024-*", date(2024, 5, 1), True),
        ("red", Color.RED, True),
        ('{"a":1,"b":"x y"}', {"b": "x y", "a": 1}, True),
        ('*"é"*', {"k": "é"}, True),
        ("*secret*", b"a secret", True),
        ("*/etc/shadow*", {1: "/etc/shadow", "x": 2}, True),
    ],
)
def test_patterns_look_at_the_text_of_a_value(pattern: str, value: Any, matches: bool) -> None:
    assert (verdict(anything, deny("value", pattern), value=value) == "deny") is matches
    assert (verdict(anything, allow("value", pattern), value=value) == "allow") is matches


@pytest.mark.parametrize(
    ("value", "denied", "allowed"),
    [
        (["/tmp/a", "/tmp/b"], False, True),
        (["/tmp/a", "/etc/b"], True, False),
        (("/etc/a",), True, False),
        ({"/etc/a"}, True, False),
        ([["/tmp/a"], ["/etc/b"]], True, False),
        ([], False, False),
    ],
)
def test_a_list_is_denied_by_one_member_and_allowed_by_all(value: Any, denied: bool, allowed: bool) -> None:
    assert verdict(anything, deny("value", "/etc/*"), value=value) == ("deny" if denied else "allow")
    assert verdict(anything, allow("value", "/tmp/*"), value=value) == ("allow" if allowed else "ask")


def test_a_pattern_that_fits_a_whole_list_allows_no_other_member() -> None:
    assert verdict(anything, allow("value", "*/tmp/*"), value=["/tmp/a", "/etc/b"]) == "ask"
    assert verdict(anything, deny("value", '*"/etc/b"]'), value=["/tmp/a", "/etc/b"]) == "deny"


@pytest.mark.parametrize(
    "value",
    [b"\xff", 10**5000, {"k": 10**5000}, {1: "x", "1": "y"}, object()],
    ids=["bytes", "int", "dict", "keys", "object"],
)
def test_what_has_no_text_is_never_allowed_and_always_denied(value: Any) -> None:
    assert verdict(anything, deny("value", "harmless"), value=value) == "deny"
    assert verdict(anything, allow("value", "*"), value=value) == "ask"


def test_rules_look_at_what_the_tool_gets() -> None:
    def count(value: int) -> None: ...

    def path(value: Path) -> None: ...

    def job(value: Job) -> None: ...

    assert verdict(count, deny("value", "0"), value="00") == "deny"
    assert verdict(count, allow("value", "1"), value=1.0) == "allow"
    assert verdict(path, deny("value", "/etc/*"), value="/etc/shadow") == "deny"
    # Nothing of a model is hidden from a rule: neither secrets nor what it keeps out of its own JSON.
    for given in ({"path": "x", "token": "hunter2"}, {"path": "x", "hidden": "hunter2"}, {"path": "hunter2"}):
        assert verdict(job, deny("value", "*hunter2*"), value=given) == "deny"
    assert verdict(job, deny("value", "*hunter2*"), value={"path": "x"}) == "allow"


def test_left_out_arguments_have_their_defaults() -> None:
    def typed(path: str = "/etc", where: Path = Path("/etc")) -> None: ...

    schema = {"type": "object", "properties": {"path": {"type": "string", "default": "/etc"}, "more": {}}}

    def written(**arguments: Any) -> None: ...

    class Model(BaseModel):
        path: str = Field(default_factory=lambda: "/etc")

    for function, options, argument in (
        (typed, {}, "path"),
        (typed, {}, "where"),
        (written, {"input_schema": schema}, "path"),
        (written, {"input_schema": Model}, "path"),
    ):
        gate = entry_of(function, deny(argument, "/etc"), **options).gate
        checked = entry_of(function, None, **options).arguments({})
        assert gate and gate.verdict(checked) == ("deny", f"argument {argument!r} matches '/etc'")
    gate = entry_of(written, deny("more", "*"), input_schema=schema).gate
    assert gate and gate.verdict({})[0] == "allow"


def test_a_model_that_renames_its_fields() -> None:
    class Model(BaseModel):
        where: str = Field("/etc", alias="path")

    def written(**arguments: Any) -> None: ...

    for argument in ("path", "where"):
        entry = entry_of(written, deny(argument, "/etc"), input_schema=Model)
        assert entry.gate and entry.gate.verdict(entry.arguments({"path": "/etc"}))[0] == "deny"
        assert entry.gate.verdict(entry.arguments({"path": "/tmp"}))[0] == "allow"


@pytest.mark.parametrize(
    ("approval", "message"),
    [
        ("maybe", "approval of tool 'it' must be 'allow', 'ask' or 'deny', got 'maybe'"),
        (3, "approval of tool 'it' must be 'allow', 'ask', 'deny', an Approval or a list of ApprovalRule, got 3"),
        (Approval("yes"), "must be 'allow', 'ask' or 'deny', got 'yes'"),  # type: ignore[arg-type]
        ([ApprovalRule("value", "*", "maybe")], "must be 'allow', 'ask' or 'deny', got 'maybe'"),  # type: ignore[arg-type]
        ([ApprovalRule("value", 5, "ask")], "argument and pattern must be text"),  # type: ignore[arg-type]
        (["ask"], "'ask' is no ApprovalRule"),
        (ApprovalRule("value", "*", "ask"), r"rules are a list; write \[ApprovalRule\(…\)\]"),
        ([ApprovalRule("value", "/tmp/*", "allow")], "contradicts itself: .* write Approval\\('ask', "),
        (
            [ApprovalRule("value", "*", "ask"), ApprovalRule("value", "*", "deny")],
            "contradicts itself: two actions for argument 'value' and pattern '\\*'",
        ),
        (deny("valeu", "*"), r"no parameter 'valeu', did you mean 'value'\? \(parameters: value\)"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_at_registration(approval: Any, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        entry_of(text, approval)


def test_a_rule_for_any_parameter_of_an_open_tool() -> None:
    def takes_all(**arguments: Any) -> None: ...

    assert verdict(takes_all, deny("path", "/etc"), path="/etc") == "deny"
    assert verdict(takes_all, deny("path", "/etc")) == "allow"
    closed = {"type": "object", "properties": {"value": {}}}
    with pytest.raises(RegistryError, match="no parameter 'path'"):
        entry_of(takes_all, deny("path", "/etc"), input_schema=closed)


def test_every_way_to_give_a_tool_its_approval() -> None:
    @tool(approval="deny")
    def decorated() -> None:
        """A tool."""

    class AsClass(Tool):
        name = "class"
        description = "A tool."
        approval = "ask"

        def execute(self) -> None: ...

    class Other:
        """Not ours: these words mean something else here."""

        approval = "deny"
        timeout = "soon"

        def run(self) -> None: ...

    registry = ComponentRegistry()
    registry.register(decorated)
    registry.register_tool("overridden", decorated, approval="allow")
    registry.register_tool(AsClass())
    registry.register_tool("other", Other())
    found = {name: entry.gate and entry.gate.approval.default for name, entry in registry.entries().items()}
    assert found == {"decorated": "deny", "overridden": None, "class": "ask", "other": None}


# The callback


class Desk:
    """A tool that asks, code that calls it, and what came of both."""

    def __init__(self, native: Native, *, is_async: bool = False, approval: Any = "ask", calls: int = 1) -> None:
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


def test_a_callback_that_would_end_the_process_is_a_no(native: Native) -> None:
    def leaves(request: ApprovalRequest) -> bool:
        raise SystemExit(3)

    desk = Desk(native)
    result = Codemode(registry=desk.registry, on_approval=leaves).execute("…")
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
    desk = Desk(native, approval=deny("path", "/x"))
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
