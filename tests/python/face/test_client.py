from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fake_native import NativeClient, NativeError, Run, answer_of, failed, ok, raw, script

import codemode
from codemode import AsyncCodemode, Codemode, ComponentRegistry, _values
from codemode.config import ClientConfig

Native = type[NativeClient]


def test_embedded_by_default_remote_by_environment(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    Codemode()
    monkeypatch.setenv("CODEMODE_EXECUTOR_URL", "http://executor:8001")
    monkeypatch.setenv("CODEMODE_EXECUTOR_API_KEY", "k")
    Codemode.from_env()
    embedded, remote = native.created
    assert (embedded.kind, embedded.options["interpreter"]) == ("embedded", sys.executable)
    assert embedded.options["executable"].endswith("/codemode")
    assert (remote.url, remote.options["api_key"]) == ("http://executor:8001", "k")


def test_local_policies(native: Native, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Codemode.local({"filesystem": {"workspace": {"mount": tmp_path}}})
    (tmp_path / "policy.yaml").write_text("network: {mode: none}\n")
    Codemode.local("policy.yaml")
    as_dict, as_path = (client.options for client in native.created)
    assert as_dict["policy"] == f'{{"filesystem": {{"workspace": {{"mount": "{tmp_path}"}}}}}}'
    assert as_dict["base_dir"] == str(tmp_path)
    assert as_path["policy_path"] == str(tmp_path / "policy.yaml")
    with pytest.raises(codemode.ConfigError, match=r"policy file 'nope.yaml' does not exist"):
        Codemode.local("nope.yaml")
    with pytest.raises(codemode.ConfigError, match="plain values"):
        Codemode.local({"limits": {"code_timeout": object()}})


def test_what_a_request_carries(native: Native) -> None:
    registry = ComponentRegistry()
    registry.register_tool("a", lambda: 1, description="One.")
    registry.register_tool("b", lambda: 2, description="Two.")
    registry.set_context({"user": "ada", "tenant": 1})
    registry.set_config("depth", 1)
    client = Codemode(ClientConfig(max_code_length=99), registry=registry)
    client.with_context(tenant=2).with_config(depth=2).execute(
        "1",
        5,
        ["b"],
        context={"extra": True},
        config={"more": 3},
        correlation_id="mine",
        max_tool_calls=7,
        check_tools=False,
        artifact_bytes=0,
        environment="data",
    )
    client.execute("2")
    first, second = (run.request for run in native.created[0].runs)
    assert [spec["name"] for spec in first["tools"]] == ["b"]
    assert _values.decode(first["context"]) == {"user": "ada", "tenant": 2, "extra": True}
    assert _values.decode(first["config"]) == {"depth": 2, "more": 3}
    assert (first["code_timeout"], first["correlation_id"], first["max_code_length"]) == (5.0, "mine", 99)
    assert (first["max_tool_calls"], first["check_tools"], first["artifact_bytes"]) == (7, False, 0)
    assert (first["environment"], "environment" in second) == ("data", False)
    assert ("max_tool_calls" in second, second["check_tools"], second["artifact_bytes"]) == (False, True, 16 << 20)
    assert [spec["name"] for spec in second["tools"]] == ["a", "b"]
    assert _values.decode(second["context"]) == {"user": "ada", "tenant": 1}
    assert (second["code_timeout"], _values.decode(second["config"])) == (None, {"depth": 1})
    assert re.fullmatch(r"cm-[0-9a-z]{6}-[0-9a-z]{4}", second["correlation_id"])


def test_bad_calls_say_so(native: Native) -> None:
    client = Codemode()
    with pytest.raises(codemode.ComponentNotFoundError, match="no tool 'x'"):
        client.execute("1", tool_filter=["x"])
    for timeout in (0, -1, 10**400, -(10**5000), True, "5", float("nan"), float("inf")):
        with pytest.raises(codemode.ConfigError, match="execution_timeout must be a positive number"):
            client.execute("1", timeout)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="code must be str or bytes, got int"):
        client.execute(1)  # type: ignore[arg-type]
    for wrong in (0, -1, True, 1.5, "5", -(10**5000)):
        with pytest.raises(codemode.ConfigError, match="max_tool_calls must be a number of calls, 1 or more, got"):
            client.execute("1", max_tool_calls=wrong)  # type: ignore[arg-type]
    for wrong in ("", 1, ["data"]):
        with pytest.raises(codemode.ConfigError, match="environment must be a name, got"):
            client.execute("1", environment=wrong)  # type: ignore[arg-type]
    with pytest.raises(codemode.ConfigError, match="check_tools must be True or False, got str 'no'"):
        client.execute("1", check_tools="no")  # type: ignore[arg-type]
    for arguments, message in (
        ({"context": [1]}, "context must be a RuntimeContext or a mapping of variables, got list"),
        ({"config": [1]}, "config must be a mapping, got list"),
        ({"tool_filter": 5}, r"tool_filter must name tools, as in \['weather'\], got int"),
        ({"tool_filter": [None]}, r"tool_filter must name tools, as in \['weather'\]; one of its items is None"),
    ):
        with pytest.raises(TypeError, match=message):
            client.execute("1", **arguments)
    client.execute("'\udc80'")
    assert native.created[0].runs[0].request["code"] == b"'\xed\xb2\x80'"


def test_tools_and_context_reach_each_other(native: Native) -> None:
    registry = ComponentRegistry()

    class Who:
        def run_with_context(self, context: codemode.RuntimeContext, greeting: str) -> str:
            return f"{greeting} {context.require('user')}"

    registry.register_tool("who", Who(), description="Greets.")
    script(native, lambda run: ok(run.call("who", greeting="hi")))
    assert str(Codemode(registry=registry).with_context(user="ada").execute("…")) == "hi ada"


def test_async_tools_run_on_one_background_loop(native: Native) -> None:
    loops = set()

    async def where() -> int:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0.01)
        return 1

    registry = ComponentRegistry()
    registry.register_tool(where, description="Which loop runs it.")
    script(native, lambda run: ok(run.call("where")))
    with Codemode(registry=registry) as client:
        threads = [threading.Thread(target=client.execute, args=("…",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("codemode-async-tools") == 1
    assert len(loops) == 1
    assert "codemode-async-tools" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
def test_an_async_tool_that_would_end_the_process_ends_its_call(native: Native, ending: type[BaseException]) -> None:
    async def leaves() -> None:
        raise ending("now")

    async def stays() -> int:
        return 1

    registry = ComponentRegistry()
    registry.register_tool(leaves, description="Leaves.")
    registry.register_tool(stays, description="Stays.")

    def calls(run: Run) -> Any:
        with pytest.raises(LookupError, match="now"):
            run.call("leaves")
        return ok(run.call("stays"))

    script(native, calls)
    with Codemode(registry=registry) as client:
        assert [client.execute("…").result for _ in range(2)] == [1, 1]


def test_async_client_runs_async_tools_on_the_callers_loop(native: Native) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def where() -> bool:
            return asyncio.get_running_loop() is loop

        registry = ComponentRegistry()
        registry.register_tool(where, description="Which loop runs it.")
        registry.register_tool(
            "thread",
            lambda: threading.current_thread() is not threading.main_thread(),
            description="Whether a thread runs it.",
        )
        script(native, lambda run: ok([run.call("where"), run.call("thread")]))
        async with AsyncCodemode(registry=registry) as client:
            results = await asyncio.gather(*(client.execute("…") for _ in range(4)))
            assert await client.health_check()
            assert await client.ready_check()
        async with Codemode(registry=registry) as both:
            results.append(await both.execute_async("…"))
        assert [result.result for result in results] == [[True, True]] * 5

    asyncio.run(main())
    assert [client.events for client in native.created] == [["close"], ["close"]]


def test_cancelling_the_task_cancels_execution_and_tools(native: Native) -> None:
    cancelled = threading.Event()

    async def main() -> Run:
        started = asyncio.Event()

        async def sleeps() -> None:
            started.set()
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()

        registry = ComponentRegistry()
        registry.register_tool(sleeps, description="Sleeps.")
        script(native, lambda run: ok(run.call("sleeps")))
        task = asyncio.create_task(AsyncCodemode(registry=registry).execute("…"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return native.created[0].runs[0]

    run = asyncio.run(main())
    assert run.cancelled.is_set()
    assert cancelled.wait(5)


def test_ctrl_c_cancels_the_tools_too(native: Native) -> None:
    registry = ComponentRegistry()
    cancelled = threading.Event()

    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    registry.register_tool(sleeps, description="Sleeps.")

    def interrupted(run: Run) -> Any:
        threading.Thread(target=lambda: answer_of(run.dispatch, "sleeps", b"{}"), daemon=True).start()
        time.sleep(0.2)
        raise KeyboardInterrupt

    script(native, interrupted)
    with pytest.raises(KeyboardInterrupt):
        Codemode(registry=registry).execute("…")
    assert cancelled.wait(5)


def test_output_arrives_as_whole_characters(native: Native) -> None:
    def prints(run: Run) -> Any:
        for stream, data in ((1, b"caf\xc3"), (2, b"oops"), (1, b"\xa9\n"), (1, b"\xe2\x82")):
            run.output(stream, data)
        return raw()

    script(native, prints)
    seen: list[tuple[str, str]] = []
    sinks: Any = {
        "on_stdout": lambda text: seen.append(("out", text)),
        "on_stderr": lambda text: seen.append(("err", text)),
    }
    Codemode().execute("…", **sinks)
    expected = [("out", "caf"), ("err", "oops"), ("out", "é\n"), ("out", "\ufffd")]
    assert seen == expected
    seen.clear()
    asyncio.run(AsyncCodemode().execute("…", **sinks))
    assert seen == expected


def test_an_output_callback_that_fails_does_not_fail_the_execution(native: Native) -> None:
    script(native, lambda run: (run.output(1, b"x"), raw())[1])
    assert Codemode().execute("…", on_stdout=lambda text: 1 / 0).success


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            NativeError("unauthenticated", "the key is wrong", False, None, "AuthenticationError"),
            codemode.AuthenticationError,
        ),
        (NativeError("overloaded", "full", True, "e", "ExecutorOverloaded"), codemode.ExecutorOverloaded),
        (NativeError("new_code", "?", False, None, "ClassFromTheFuture"), codemode.CodemodeError),
    ],
)
def test_native_errors_become_public(native: Native, error: Exception, kind: type[codemode.CodemodeError]) -> None:
    def raises(run: Run) -> Any:
        raise error

    script(native, raises)
    config = ClientConfig.model_validate({"retry": {"enabled": False}, "executor_url": "http://x"})
    for asynchronous in (False, True):
        with pytest.raises(codemode.ExecutorClientError) as caught:
            asyncio.run(AsyncCodemode(config).execute("1")) if asynchronous else Codemode(config).execute("1")
        assert type(caught.value) is kind
        assert (caught.value.code, str(caught.value)) == error.args[:2]
        assert caught.value.__cause__ is None


def test_a_refusal_of_the_code_is_a_result(native: Native) -> None:
    def raises(run: Run) -> Any:
        raise NativeError("code_too_long", "60000 characters, the limit is 50000", False, None, "ExecutionFailed")

    script(native, raises)
    result = Codemode().execute("1")
    assert (result.success, result.outcome, result.exit_code) == (False, "rejected", None)
    assert str(result) == "Rejected: code_too_long: 60000 characters, the limit is 50000"
    assert result.correlation_id.startswith("cm-")
    with pytest.raises(codemode.ExecutionFailed):
        Codemode().execute("1", check=True)


def test_check_raises(native: Native) -> None:
    script(native, lambda run: failed("ValueError", "no"))
    with pytest.raises(codemode.ExecutionFailed, match="ValueError: no"):
        Codemode().execute("1", check=True)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_only_what_cannot_have_run_is_repeated(native: Native, asynchronous: bool) -> None:
    registry = ComponentRegistry()
    registry.register_tool("touch", lambda: None, description="Touches.")
    config = ClientConfig.model_validate({"retry": {"backoff_base_ms": 10}, "executor_url": "http://x"})
    attempts: list[str] = []

    def overloaded(run: Run) -> Any:
        attempts.append(run.code)
        if run.code == "tool":
            run.call("touch")
        if run.code == "late" and len(attempts) == 3:
            return ok("in the end")
        raise NativeError("overloaded", "full", run.code != "never", None, "ExecutorOverloaded")

    script(native, overloaded)

    def execute(code: str) -> Any:
        if asynchronous:
            return asyncio.run(AsyncCodemode(config, registry=registry).execute(code))
        return Codemode(config, registry=registry).execute(code)

    assert str(execute("late")) == "in the end"
    for code, expected in (("always", 3), ("never", 1), ("tool", 1)):
        attempts.clear()
        with pytest.raises(codemode.ExecutorOverloaded):
            execute(code)
        assert len(attempts) == expected


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"executor_api_key": "k"}, "executor_api_key"),
        ({"tls_enabled": True, "executor_api_key": "k"}, "executor_api_key and tls_enabled"),
    ],
)
def test_settings_that_an_embedded_executor_cannot_honour(native: Native, values: Any, keys: str) -> None:
    with pytest.raises(codemode.ConfigError, match=f"^{keys} cannot take effect without executor_url"):
        Codemode.from_client_config(values)
    assert not native.created


def test_a_registry_in_the_wrong_place(native: Native) -> None:
    with pytest.raises(TypeError, match="registry="):
        Codemode(ComponentRegistry())  # type: ignore[arg-type]


def test_something_else_in_place_of_a_registry(native: Native) -> None:
    with pytest.raises(TypeError, match="registry must be a ComponentRegistry or a view of one, got dict"):
        Codemode(registry={})  # type: ignore[arg-type]


def test_health_and_readiness(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Codemode()
    assert client.health_check()
    assert client.ready_check()

    def down(self: Any) -> Any:
        raise NativeError("connection", "refused", True, None, "ExecutorConnectionError")

    monkeypatch.setattr(native, "health", down)
    monkeypatch.setattr(native, "info", down)
    assert not client.health_check()
    assert not client.ready_check()

    def locked(self: Any) -> Any:
        raise NativeError("unauthenticated", "no", False, None, "AuthenticationError")

    monkeypatch.setattr(native, "info", locked)
    with pytest.raises(codemode.AuthenticationError):
        client.ready_check()
