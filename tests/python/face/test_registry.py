from __future__ import annotations

import functools
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from codemode import ComponentRegistry, RegistryError, Tool, tool
from codemode.core import ComponentAlreadyExistsError, ComponentNotFoundError, RuntimeContext


class Weather(Tool):
    name = "weather"
    description = "Current weather"

    def execute(self, location: str) -> dict[str, Any]:
        return {"location": location}


def sum_of(a: int, b: int) -> int:
    """The sum."""
    return a + b


@pytest.fixture
def registry() -> ComponentRegistry:
    registry = ComponentRegistry()
    registry.register_tool(Weather())
    registry.register_tool("database", lambda **kw: kw, description="Rows")
    return registry


def test_both_ways_to_register(registry: ComponentRegistry) -> None:
    assert registry.get_component_names() == {"tools": ["weather", "database"], "agents": [], "teams": [], "flows": []}
    assert isinstance(registry.get_tool("weather"), Weather)


def test_missing_component_lists_what_exists(registry: ComponentRegistry) -> None:
    with pytest.raises(ComponentNotFoundError) as caught:
        registry.get_tool("wether")
    assert str(caught.value) == "no tool 'wether', did you mean 'weather'? (available tools: weather, database)"
    with pytest.raises(ComponentNotFoundError, match="no agent is available"):
        registry.get_agent("x")


def test_a_taken_name_needs_overwrite(registry: ComponentRegistry) -> None:
    with pytest.raises(ComponentAlreadyExistsError, match="overwrite=True"):
        registry.register_tool(Weather())
    registry.register_tool("weather", Weather(), overwrite=True)


def test_agents_teams_flows(registry: ComponentRegistry) -> None:
    agent = object()
    registry.register_agent("a", agent)
    registry.register_team("t", agent)
    registry.register_flow("f", agent)
    assert registry.get_agent("a") is registry.get_team("t") is registry.get_flow("f") is agent
    assert registry.of_type("agent") == {"a": agent} == registry.of_type("agents")
    with pytest.raises(RegistryError, match="no such kind"):
        registry.of_type("robot")


def test_decorated_tools() -> None:
    @tool
    def add(a: int, b: int) -> int:
        "Add."
        return a + b

    @tool(name="minus", description="Subtract.")
    async def subtract(a: int, b: int) -> int:
        return a - b

    @tool("counter")
    class Counter:
        """Count."""

        def run(self) -> int:
            return 1

    module = ModuleType("some_tools")
    vars(module).update(add=add, again=add, subtract=subtract, Counter=Counter, weather=Weather(), other=print)
    registry = ComponentRegistry()
    assert registry.discover_tools(module) == ["add", "minus", "counter", "weather"]
    assert add(1, 2) == 3
    entries = registry.entries()
    assert (entries["minus"].description, entries["minus"].form.is_async) == ("Subtract.", True)
    assert entries["add"].description == "Add."
    with pytest.raises(RegistryError, match="not decorated with @tool"):
        registry.register(len)


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (Weather(), "Current weather"),
        (len, "Return the number of items in a container."),
        (functools.partial(sum_of, 1), "The sum."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_where_a_description_comes_from(component: Any, expected: str) -> None:
    registry = ComponentRegistry()
    registry.register_tool("it", component)
    assert registry.entries()["it"].description == expected
    registry.register_tool("it", component, description="Said here.", overwrite=True)
    assert registry.entries()["it"].description == "Said here."


def test_scoped_registries_narrow_and_follow(registry: ComponentRegistry) -> None:
    scoped = registry.scoped(["database"])
    assert list(scoped.entries()) == ["database"]
    with pytest.raises(ComponentNotFoundError, match=r"available tools: database\)"):
        scoped.get_tool("weather")
    with pytest.raises(ComponentNotFoundError):
        scoped.scoped(["weather"])
    with pytest.raises(ComponentNotFoundError):
        registry.scoped(["nothing"])
    registry.clear()
    assert not scoped.entries()


def test_context_and_config(registry: ComponentRegistry) -> None:
    assert registry.get_context() is None
    registry.set_context({"user": "ada"})
    context = registry.get_context()
    assert isinstance(context, RuntimeContext)
    assert context.require("user") == "ada"
    registry.clear_context()
    assert registry.get_context() is None
    registry.set_config("a", 1)
    registry.update_config(b=2)
    assert (registry.get_config("a"), registry.get_config("x", 5), registry.get_config()) == (1, 5, {"a": 1, "b": 2})


def test_runtime_context() -> None:
    context = RuntimeContext({"user": "ada"}, {"trace": 1})
    assert RuntimeContext.from_json(context.to_json()) == context == RuntimeContext.from_dict(context.to_dict())
    assert context.has("user")
    assert context.get("x", 3) == 3
    assert bool(RuntimeContext())
    with pytest.raises(KeyError, match="set are: user"):
        context.require("tenant")


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda r: r.register_tool(object()), "is no tool"),
        (lambda r: r.register_tool(), "register_tool needs a tool"),
        (lambda r: r.register_tool("name only"), "register_tool needs a tool"),
        (lambda r: r.register_tool(lambda: 1), "a lambda has no name"),
        (lambda r: r.register_tool("__list__", print), "reserved"),
        (lambda r: r.register_tool(" ", print), "non-empty, printable"),
        (lambda r: r.register_tool(Tool), "does not define execute"),
        (lambda r: r.register_tool("x", NeedsArgument), "register an instance of it"),
        (lambda r: r.register_tool("x", print, input_schema={"location": "string"}), "must be the JSON Schema"),
        (lambda r: r.register_tool("x", print, input_schema={"type": "objekt"}), "input_schema of tool 'x' .*'objekt'"),
        (lambda r: r.register_tool("x", print, input_schema={"type": "array"}), "must be the JSON Schema of an object"),
        (lambda r: r.register_tool("x", print, input_schema={"anyOf": [{"type": "object"}, {}]}), "of an object"),
        (lambda r: r.register_tool("x", print, input_schema={"properties": {"a": {"type": str}}}), "it is not JSON"),
        (lambda r: r.register_tool("x", print, input_schema={"properties": {"a": {"minimum": "1"}}}), "`minimum` at"),
        (lambda r: r.register_tool("x", print, output_schema={"$ref": "https://example.com/x"}), "output_schema .*ref"),
        (lambda r: r.register_tool("x", print, output_schema={"$ref": "#/$defs/none"}), "output_schema of tool 'x' .*"),
        (lambda r: r.register_tool("x", print, output_schema={"minimum": float("nan")}), "it is not JSON"),
        (lambda r: r.register_tool("x", print, input_schema=7), "must be a pydantic model or a JSON Schema"),
        (lambda r: r.register_agent("", 1), "non-empty text"),
        (lambda r: r.register_tool("x", lambda: 1), "'x' has no description: models choose tools by it; write a doc"),
        (lambda r: r.register_tool("x", print, description=" "), "pass description=…"),
        (lambda r: r.register_tool("x", print, description=1), "the description of tool 'x' must be text, got 1"),
        (lambda r: r.register_tool(Silent()), "tool 'silent' has no description"),
        (lambda r: r.register_tool(OnlyFields(1)), "tool 'only_fields' has no description"),
        (lambda r: r.register_tool(only_sections), "tool 'only_sections' has no description"),
    ],
)
def test_what_cannot_be_registered(register: Any, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        register(ComponentRegistry())


class Silent(Tool):
    name = "silent"

    def execute(self) -> None: ...


@dataclass
class OnlyFields:  # `dataclass` makes a docstring of the fields
    path: int

    def run(self) -> None: ...


def only_sections(path: str) -> None:
    """
    Args:
        path: where
    """


class NeedsArgument:
    def __init__(self, path: str) -> None: ...

    def run(self) -> None: ...
