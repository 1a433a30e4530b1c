"""Every form of tool, called the way the native client calls it."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from fake_native import answer_of
from pydantic import BaseModel

from codemode import ComponentRegistry, ContextAwareTool, RegistryError, Tool, _values, tool
from codemode._dispatch import Dispatcher
from codemode._loop import BackgroundLoop
from codemode.core import RuntimeContext


def call(component: Any, name: str | None = None, /, *, given: RuntimeContext | None = None, **arguments: Any) -> Any:
    registry = ComponentRegistry()
    registry.register_tool(name, component, description="What it does.")
    loop = BackgroundLoop()
    dispatcher = Dispatcher(registry.entries(), given or RuntimeContext(), loop.get)
    success, data = answer_of(dispatcher, next(iter(registry.entries())), _values.encode(arguments)[0])
    loop.stop()
    value = _values.decode(data)
    return value if success else (value["type"], value["message"])


class Query(BaseModel):
    text: str
    limit: int = 10


class Runs:
    name = "runs"

    def run(self, text: str) -> str:
        return text


class Forwards:
    name = "forwards"

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)

    def _run(self, text: str) -> str:
        return text


class WithContext:
    def run_with_context(self, context: RuntimeContext, text: str) -> str:
        return f"{context.require('user')}: {text}"


class OurContext(ContextAwareTool):
    name = "ours"

    async def run_with_context(self, context: RuntimeContext, text: str) -> str:
        return f"{context.require('user')}: {text}"


class Calls:
    def __call__(self, text: str) -> str:
        return text


class CrewLike:
    name = "Crew Tool"
    description = "…"
    args_schema = Query

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)

    def _run(self, text: str, limit: int) -> str:
        return f"{text} {limit}"


class LangLike:
    name = "lang"
    description = "…"
    args_schema = Query
    input_schema = int  # a Runnable has such an attribute and means something else

    def invoke(self, given: dict[str, Any], config: Any = None) -> str:
        return f"{given['text']} {given['limit']}"

    async def ainvoke(self, given: dict[str, Any], config: Any = None) -> str:
        return self.invoke(given)

    def _run(self, *args: Any, **kwargs: Any) -> None: ...


class AsyncTool(Tool):
    name = "async_tool"

    async def execute(self, text: str) -> str:
        await asyncio.sleep(0)
        return text


async def async_function(text: str) -> str:
    return text


def positional(text: str, /, *, suffix: str = "!") -> str:
    return text + suffix


def wants_context(text: str, request: RuntimeContext | None = None) -> str:
    assert request is not None
    return f"{request.require('user')}: {text}"


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (Runs(), "hi"),
        (Runs, "hi"),
        (Forwards(), "hi"),
        (WithContext(), "ada: hi"),
        (OurContext(), "ada: hi"),
        (Calls(), "hi"),
        (CrewLike(), "hi 10"),
        (LangLike(), "hi 10"),
        (AsyncTool(), "hi"),
        (AsyncTool, "hi"),
        (async_function, "hi"),
        (functools.partial(positional, suffix="?"), "hi?"),
        (positional, "hi!"),
        (wants_context, "ada: hi"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_every_form(component: Any, expected: str) -> None:
    assert call(component, given=RuntimeContext({"user": "ada"}), text="hi") == expected


@pytest.mark.parametrize(
    "component", [Runs(), Forwards(), WithContext(), OurContext(), Calls(), AsyncTool(), CrewLike()]
)
def test_every_form_validates(component: Any) -> None:
    kind, message = call(component, "it", txet="hi")
    assert kind == "InvalidArguments"
    assert "text: required, but missing (str)" in message
    assert "txet: no such parameter, did you mean 'text'?" in message


@pytest.mark.parametrize(("component", "hidden"), [(WithContext(), "context"), (wants_context, "request")])
def test_the_code_cannot_choose_the_context(component: Any, hidden: str) -> None:
    arguments: dict[str, Any] = {"text": "x", hidden: {"user": "eve"}}
    kind, message = call(component, "it", **arguments)
    assert kind == "InvalidArguments"
    assert f"{hidden}: no such parameter" in message


def test_open_keyword_arguments_as_the_seeds_call_them() -> None:
    def database(query: str | None = None, **operation: Any) -> Any:
        return [query, operation]

    assert call(database, query="SELECT 1") == ["SELECT 1", {}]
    rows = [{"id": 1}]
    assert call(database, operation="bulk_insert", table="t", data=rows) == [
        None,
        {"operation": "bulk_insert", "table": "t", "data": rows},
    ]
    assert call(database, p0=1, self=2) == [None, {"p0": 1, "self": 2}]


def test_parameter_names_that_pydantic_reserves() -> None:
    def odd(json: str, copy: int, _hidden: int = 1, model_config: int = 2) -> list[Any]:
        return [json, copy, _hidden, model_config]

    assert call(odd, json="a", copy=1, _hidden=5, model_config=6) == ["a", 1, 5, 6]


def test_values_arrive_as_the_annotated_types() -> None:
    def search(query: Query, limit: float = 1) -> str:
        return f"{type(query).__name__} {query.limit} {limit!r}"

    assert call(search, query={"text": "a", "limit": 3}) == "Query 3 1"


def test_functions_without_a_signature() -> None:
    assert call(max, "it", a=1)[0] == "TypeError"


def test_host_paths_and_tracebacks_stay_here(tmp_path: Any) -> None:
    secret = str(tmp_path / "secret.txt")

    @tool
    def leak(path: str = "") -> str:
        with open(path or secret) as file:
            return file.read()

    assert call(leak) == ("FileNotFoundError", "[Errno 2] No such file or directory: '<host path>'")
    assert call(leak, path=secret)[1] == f"[Errno 2] No such file or directory: '{secret}'"


def test_sys_exit_in_a_tool_is_a_failure_like_any_other() -> None:
    def leaves() -> None:
        raise SystemExit(3)

    assert call(leaves) == ("SystemExit", "3")


def test_every_way_to_give_a_tool_its_timeout() -> None:
    @tool(timeout=5)
    def decorated() -> None:
        """A tool."""

    class AsClass(Tool):
        name = "class"
        description = "A tool."
        timeout = 0.5

        def execute(self) -> None: ...

    class Http:
        """Its own timeout is that of its requests."""

        timeout = 30

        def run(self) -> None: ...

    registry = ComponentRegistry()
    registry.register(decorated)
    registry.register_tool("shorter", decorated, timeout=1)
    registry.register_tool("endless", decorated, timeout=10**12)
    registry.register_tool(AsClass())
    registry.register_tool("http", Http())
    assert {name: entry.spec["timeout"] for name, entry in registry.entries().items()} == {
        "decorated": 5.0,
        "shorter": 1.0,
        "endless": 1e9,
        "class": 0.5,
        "http": None,
    }


@pytest.mark.parametrize(
    "timeout", [0, -1, True, "5", float("nan"), float("inf"), 10**400], ids=lambda value: type(value)
)
def test_a_timeout_that_no_clock_has(timeout: Any) -> None:
    with pytest.raises(RegistryError, match="timeout of tool 'it' must be a positive number of seconds"):
        ComponentRegistry().register_tool("it", lambda: None, description="A tool.", timeout=timeout)
