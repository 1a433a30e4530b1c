"""What the public names are for, where no other test shows it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import codemode
import codemode.config
import codemode.core
import codemode.tools
from codemode import (
    AsyncCodemode,
    Codemode,
    CodemodeError,
    ComponentRegistry,
    ContextAwareTool,
    ExecutionResult,
    RuntimeContext,
    Tool,
    ToolError,
    tool,
)
from codemode.config import ConfigLoader
from codemode.events import Finished, Stdout, ToolCallStarted
from conformance.apart import the_documents_are_there  # noqa: F401
from e2e.daemon import CODEMODE, KEY, Daemon


@tool(output_schema={"type": "integer"})
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


class Who(ContextAwareTool):
    name = "who"
    description = "Says who asks"

    def run_with_context(self, context: RuntimeContext, greeting: str) -> str:
        return f"{greeting} {context.require('user')}"


def registry() -> ComponentRegistry:
    made = ComponentRegistry()
    made.register_tool(add)
    made.register_tool(Who())
    return made


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def client(outputs: Path) -> Iterator[Codemode]:
    policy = {"filesystem": {"outputs": {"mount": str(outputs)}}, "limits": {"output_bytes": 4096, "code_timeout": 20}}
    with Codemode.local(policy, registry=registry()) as client:
        yield client


def test_one_object_under_all_its_names() -> None:
    for home in (codemode.config, codemode.core, codemode.tools):
        for name in set(home.__all__) & set(codemode.__all__):
            assert getattr(home, name) is getattr(codemode, name), (home, name)
    assert codemode.ExecutorClientError is CodemodeError


def test_the_version() -> None:
    said = subprocess.run([CODEMODE, "version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert codemode.__version__ in said and re.match(r"\d+\.\d+", codemode.__version__)


# --- what an execution tells

TELLS = """
import sys
print('out'); print('err', file=sys.stderr)
open('/outputs/note.txt', 'w').write('kept')
try: open('/etc/shadow')
except OSError: pass
result = {'n': tools['add'].run(a=2**60), 'who': tools['who'].run(greeting='hi')}
"""


@pytest.fixture(scope="module")
def told(client: Codemode) -> ExecutionResult:
    return client.execute(TELLS, 60, context={"user": "ada"}, correlation_id="mine-1")


def test_a_result(told: ExecutionResult) -> None:
    assert (told.success, told.outcome, told.exit_code, told.error) == (True, "ok", 0, None), str(told)
    assert told.result == {"n": 2**60 + 1, "who": "hi ada"}
    assert json.loads(told.result_json or "") == told.result and str(told) == str(told.result)
    assert (told.stdout, told.stderr) == ("out\n", "err\n")
    assert (told.stdout_truncated, told.stderr_truncated) == (False, False)
    assert told.correlation_id == "mine-1" and re.fullmatch(r"[0-9a-f]{32}", told.execution_id)
    assert told.duration_ms >= told.usage.wall_ms > 0
    assert len(told.warnings) == 1 and "code_timeout" in told.warnings[0], "60 s are more than the executor allows"
    assert told.raise_for_error() is told
    assert "<" in told._repr_html_()


def test_its_tool_calls(told: ExecutionResult) -> None:
    first, second = told.tool_calls
    assert (first.name, first.arguments, first.status, first.error, first.ran) == (
        "add",
        {"a": 2**60},
        "ok",
        None,
        True,
    )
    assert (second.name, json.loads(second.arguments_json)) == ("who", {"greeting": "hi"})
    assert first.duration_ms > 0


def test_its_artifacts(told: ExecutionResult, outputs: Path, tmp_path: Path) -> None:
    (artifact,) = told.artifacts
    assert (artifact.path, artifact.size, artifact.mime_type) == ("note.txt", 4, "text/plain")
    assert artifact.host_path == str(outputs / "note.txt") and re.fullmatch(r"[0-9a-f]{64}", artifact.sha256)
    assert (artifact.data, artifact.read(), artifact.text()) == (b"kept", b"kept", "kept")
    assert artifact.save(tmp_path / "copy").read_text() == "kept"


def test_its_violations(told: ExecutionResult) -> None:
    (violation,) = told.violations
    assert (violation.kind, violation.detail, violation.source) == ("unauthorized_path", "/etc/shadow", "guest")


def test_its_usage_and_isolation(told: ExecutionResult) -> None:
    usage, walls = told.usage, told.isolation
    assert usage.wall_ms >= max(usage.guest_ms, usage.tool_ms) and min(usage.guest_ms, usage.tool_ms) > 0
    assert usage.cpu_ms > 0 and usage.peak_memory_bytes > 1 << 20
    assert walls.tier in ("full", "container") and any("seccomp" in layer for layer in walls.layers)
    assert all(": " in substitute for substitute in walls.substitutes)
    assert bool(walls.not_promised) == (walls.tier == "container")


def test_a_failure(client: Codemode) -> None:
    result = client.execute("def f():\n    return 1 / 0\nf()")
    error = result.error
    assert error and (error.error_type, error.message, error.line) == ("ZeroDivisionError", "division by zero", 2)
    assert "line 3, in <module>" in error.traceback and str(result) == str(error)
    with pytest.raises(codemode.ExecutionFailed) as caught:
        client.execute("1 / 0", check=True)
    assert caught.value.result and caught.value.result.exit_code == 1
    assert caught.value.code == "error" and caught.value.execution_id == caught.value.result.execution_id


def test_too_much_output_says_so(client: Codemode) -> None:
    result = client.execute("import sys\nprint('x' * 9000); print('y' * 9000, file=sys.stderr)")
    assert (result.stdout_truncated, result.stderr_truncated) == (True, True)


# --- tools


def test_meta_tools_and_their_shapes(client: Codemode) -> None:
    """They are there without a registration, and show what the filter leaves."""
    ask = "[tools['__list__'].run(), tools['__schema__'].run(name='add'), tools['__search__'].run(query='number')]"
    listed, schema, found = client.execute(ask).result
    flags = {"is_async": False, "has_context": False, "has_input_schema": True, "has_output_schema": True}
    of_add = {"name": "add", "description": "Adds two numbers.", **flags}
    assert listed["count"] == 2 and listed["tools"][0] == of_add and listed["tools"][1]["has_context"] is True
    assert sorted(schema) == [
        "description", "has_context", "input_schema", "is_async", "output_schema", "tool_name",
    ]  # fmt: skip
    assert (schema["tool_name"], schema["output_schema"]) == ("add", {"type": "integer"})
    assert (found["count"], found["query"]) == (1, "number")
    assert {key: found["matches"][0][key] for key in of_add} == of_add and found["matches"][0]["match_type"]
    filtered = client.execute(ask.replace("'add'", "'who'"), tool_filter=["who"]).result
    assert [entry["name"] for entry in filtered[0]["tools"]] == ["who"] and filtered[2]["count"] == 0


def test_a_context_aware_tool_gets_the_clients_object(client: Codemode) -> None:
    seen: list[RuntimeContext] = []

    class Look(ContextAwareTool):
        name, description = "look", "Looks"

        def run_with_context(self, context: RuntimeContext) -> bool:
            seen.append(context)
            return context.has("user")

    assert isinstance(Look(), Tool)
    client.registry.register_tool(Look())
    try:
        context = RuntimeContext({"user": "ada"}, {"trace": 1})
        with_user = client.with_context(tenant=1)
        assert with_user.execute("tools['look'].run()", context=context).result is True
    finally:
        client.registry.clear()
        client.registry.register_tool(add)
        client.registry.register_tool(Who())
    assert (seen[0].variables, seen[0].metadata) == ({"user": "ada", "tenant": 1}, {"trace": 1})


def test_a_tool_chooses_the_words_of_its_failure(client: Codemode) -> None:
    @tool(name="choose", description="Chooses")
    def choose(colour: str) -> None:
        raise ToolError(f"no such colour: {colour}", suggestions=["red"])

    client.registry.register(choose)
    result = client.execute(
        "try: tools['choose'].run(colour='rde')\nexcept ToolError as error: result = str(error)\nresult",
        tool_filter=["choose"],
    )
    assert "no such colour: rde" in result.result and "red" in result.result


def test_the_books_of_a_registry() -> None:
    books = registry()
    for kind in ("agent", "team", "flow"):
        getattr(books, f"register_{kind}")("it", kind)
        assert getattr(books, f"get_{kind}")("it") == kind and books.of_type(kind) == {"it": kind}
    names = {"tools": ["add", "who"], "agents": ["it"], "teams": ["it"], "flows": ["it"]}
    assert books.get_component_names() == names
    books.set_context({"user": "ada"})
    books.set_config("depth", 1)
    books.update_config({"depth": 2}, more=3)
    scope = books.scoped(["who"])
    for view in (books, scope):
        assert view.get_context() == RuntimeContext({"user": "ada"})
        assert (view.get_config("depth"), view.get_config("none", 7)) == (2, 7)
        assert view.get_config() == {"depth": 2, "more": 3}
        assert (view.get_agent("it"), view.get_team("it"), view.get_flow("it")) == ("agent", "team", "flow")
    assert list(scope.of_type("tool")) == ["who"] and scope.scoped([]).get_component_names()["tools"] == []
    assert scope.get_component_names() == names | {"tools": ["who"]}
    with pytest.raises(codemode.ComponentNotFoundError):
        scope.get_tool("add")
    scope.set_context({"user": "eve"})
    scope.set_config("depth", 4)
    scope.update_config(more=5)
    assert books.get_context() == RuntimeContext({"user": "eve"}) and books.get_config() == {"depth": 4, "more": 5}
    scope.clear_context()
    assert books.get_context() is None and books.get_tool("add") is add and "who" in scope.describe()
    books.clear()
    assert not any(books.get_component_names().values()) and books.get_config() == {}


# --- clients


def test_an_asynchronous_client_does_the_same() -> None:
    async def main() -> None:
        async with AsyncCodemode.from_dict({"limits": {"code_timeout": 9}}, registry=registry()) as client:
            assert client.registry.get_tool("add") is add
            bound = client.with_context(user="ada").with_config(depth=3)
            assert (await bound.execute("[tools['who'].run(greeting='hi'), config['depth']]")).result == ["hi ada", 3]
            assert (await bound.execute_async("tools['add'].run(a=1)")).result == 2
            for events in (client.stream("print(tools['add'].run(a=1))"), client.stream_async("print(2); 5")):
                seen = [event async for event in events]
                assert Stdout("2\n") in seen and isinstance(seen[-1], Finished)
            assert "def add" in await client.prompt() and "def add" not in await client.prompt(["who"])
            assert await client.health_check() and await client.ready_check()
        with pytest.raises(CodemodeError, match="closed"):
            await client.execute("1")
        other = AsyncCodemode.local()
        await other.close()

    asyncio.run(main())


def test_clients_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds, with what each constructor takes besides: the tools, and who decides about their calls."""
    asked: list[str] = []
    both: dict[str, Any] = {
        "registry": ComponentRegistry(),
        "on_approval": lambda request: not asked.append(request.tool),
    }
    both["registry"].register_tool("spend", lambda: "spent", description="Spends.", approval="ask")

    def made(settings: dict[str, Any]) -> Iterator[Codemode | AsyncCodemode]:
        (tmp_path / "codemode-client.yaml").write_text(json.dumps(settings))
        for kind in (Codemode, AsyncCodemode):
            with monkeypatch.context() as only_here:
                only_here.setenv("CODEMODE_EXECUTOR_URL", settings["executor_url"])
                only_here.setenv("CODEMODE_EXECUTOR_API_KEY", KEY)
                yield kind.from_env(**both)
            yield kind(settings, **both)
            yield kind.from_dict(settings, **both)
            yield kind.from_config(tmp_path / "codemode-client.yaml", **both)
            yield kind.from_client_config(codemode.ClientConfig.from_dict(settings), **both)
            yield kind.from_client_config(config_path=tmp_path / "codemode-client.yaml", **both)
            yield kind.local({"limits": {"cpus": 1}}, **both)

    async def main(url: str) -> int:
        clients = list(made({"executor_url": url, "executor_api_key": KEY}))
        for client in clients:
            async with client as entered:
                assert (await entered.execute_async("tools['spend'].run()")).result == "spent"
        return len(clients)

    with Daemon(tmp_path) as daemon:
        assert asyncio.run(main(daemon.url)) == len(asked) == 14


def test_a_file_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEMODE_CORRELATION_ID_PREFIX", raising=False)
    (tmp_path / "variables").write_text("CODEMODE_CORRELATION_ID_PREFIX=shop\n")
    with Codemode.from_env(dotenv=tmp_path / "variables") as client:
        assert client.execute("1").correlation_id.startswith("shop-")


def test_events_and_sinks_of_one_execution(client: Codemode) -> None:
    out: list[str] = []
    err: list[str] = []
    calls: list[Any] = []
    code = "import sys\nprint('o')\nprint('e', file=sys.stderr)\ntools['add'].run(a=1)"
    client.execute(code, on_stdout=out.append, on_stderr=err.append, on_tool_call=calls.append)
    assert ("".join(out), "".join(err), calls[0]) == ("o\n", "e\n", ToolCallStarted(1, "add", {"a": 1}))
    *_, last = client.stream(code, 5, ["add"])
    assert isinstance(last, Finished) and last.result.result == 2


# --- exceptions


def _raised(action: Callable[[], object]) -> CodemodeError:
    with pytest.raises(CodemodeError) as caught:
        action()
    return caught.value


def _execute(code: str = "1", **settings: Any) -> Callable[[], object]:
    def run() -> object:
        with Codemode.from_dict(settings | {"retry": {"enabled": False}}) as client:
            return client.execute(code, check=True)

    return run


def test_each_exception_has_its_code(tmp_path: Path) -> None:
    """With whether the same may succeed later, and an execution's id once there is one."""
    with (
        Daemon(tmp_path, {"max_concurrent_executions": 1, "queue": 0}) as daemon,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        there = {"executor_url": daemon.url, "executor_api_key": KEY}
        nobody = {"executor_url": f"grpc://127.0.0.1:{silent.getsockname()[1]}", "timeout": 1}
        closed = Codemode()
        closed.close()
        (tmp_path / "wrong.yaml").write_text("limts: {}\n")
        books = registry()
        cases: list[tuple[str, str, bool, Callable[[], object]]] = [
            ("ExecutorConnectionError", "connection", True, _execute(executor_url="grpc://127.0.0.1:1")),
            ("ExecutorTimeoutError", "timeout", True, _execute(**nobody)),
            ("AuthenticationError", "unauthenticated", False, _execute(**{**there, "executor_api_key": "another"})),
            ("ConfigError", "config", False, _execute(limts={})),
            ("ConfigLoadError", "config", False, lambda: ConfigLoader.load(tmp_path / "wrong.yaml")),
            ("ExecutionFailed", "error", False, _execute("1 / 0", **there)),
            ("RegistryError", "registry", False, lambda: books.register_tool("x")),
            ("ComponentNotFoundError", "component_not_found", False, lambda: books.get_tool("ad")),
            ("ComponentAlreadyExistsError", "component_exists", False, lambda: books.register_tool(add)),
            ("CodemodeError", "closed", False, lambda: closed.execute("1")),
        ]
        for name, code, retryable, action in cases:
            error = _raised(action)
            assert (type(error).__name__, error.code, error.retryable) == (name, code, retryable), error
            assert (error.execution_id is not None) == (name == "ExecutionFailed"), error
            assert str(error)
        near = _raised(lambda: books.get_tool("ad"))
        assert isinstance(near, codemode.ComponentNotFoundError) and near.suggestions == ("add",)
        assert isinstance(near, codemode.RegistryError) and "who" in str(near), "it lists what there is"
