"""`registry.describe()`: what the application registered, as Python stubs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from codemode import ComponentRegistry, RegistryError, Tool, tool
from codemode.core import RuntimeContext

PROGRAM = """
from codemode import ComponentRegistry

def weather(location, units='metric', tags=None):
    '''Current weather.

    Args:
        location (str): The city.
        units ({'metric', 'imperial', 'kelvin'}): The scale.
        tags (list[str]): Words.
    '''

registry = ComponentRegistry()
registry.register_tool(weather)
print(registry.describe(), end='')
"""


class Place(BaseModel):
    city: str
    zip_code: int = 0


class Priority(Enum):
    LOW = "low"
    HIGH = "high"


@tool
def alert(
    message: str, priority: Priority = Priority.LOW, channels: list[Literal["email", "slack"]] | None = None
) -> bool:
    """Tell somebody.

    Args:
        message: What to say.
    """
    return True


@tool
async def locate(name: str) -> Place:
    """Where it is."""
    return Place(city=name)


class Database(Tool):
    name = "database"
    description = "Rows of the database"
    input_schema = {  # noqa: RUF012
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "default": 10}},
        "required": ["query"],
        "additionalProperties": False,
    }

    def execute(self, query: str, limit: int = 10) -> Any: ...


def who(context: RuntimeContext, greeting: str) -> str:
    """Greets."""
    return greeting


@pytest.fixture
def registry() -> ComponentRegistry:
    registry = ComponentRegistry()
    for component in (alert, locate, Database(), who):
        registry.register_tool(component)
    return registry


def functions(text: str) -> dict[str, ast.FunctionDef]:
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in found}


def test_every_tool_is_a_function_with_keyword_arguments_only(registry: ComponentRegistry) -> None:
    stubs = functions(registry.describe())
    assert {"alert", "locate", "database", "who"} <= set(stubs)
    signature = stubs["alert"].args
    assert [argument.arg for argument in signature.kwonlyargs] == ["message", "priority", "channels"]
    assert [argument.arg for argument in signature.args] == ["self"]
    types = [ast.unparse(argument.annotation) for argument in signature.kwonlyargs if argument.annotation]
    assert types == ["str", "Literal['low', 'high']", "list[Literal['email', 'slack']] | None"]
    assert [default and ast.unparse(default) for default in signature.kw_defaults] == [None, "'low'", "None"]
    assert ast.unparse(stubs["alert"].returns or ast.Constant(None)) == "bool"
    assert "What to say." in (ast.get_docstring(stubs["alert"]) or "")
    assert [argument.arg for argument in stubs["database"].args.kwonlyargs] == ["query", "limit"]
    # The context is the client's to give.
    assert [argument.arg for argument in stubs["who"].args.kwonlyargs] == ["greeting"]


def test_a_model_in_a_result_is_described(registry: ComponentRegistry) -> None:
    text = registry.describe()
    returns = functions(text)["locate"].returns
    assert returns and ast.unparse(returns) != "Any"
    assert "zip_code" in text


def test_a_scope_shows_its_tools_only(registry: ComponentRegistry) -> None:
    text = registry.scoped(["locate"]).describe()
    assert "locate" in functions(text)
    assert "alert" not in text and "database" not in text


def test_names_that_no_stub_can_have_are_all_refused_with_the_reason(registry: ComponentRegistry) -> None:
    for name in ("read-file", "class", "zwei wörter"):
        registry.register_tool(name, who)
    with pytest.raises(RegistryError) as caught:
        registry.describe()
    text = str(caught.value)
    assert all(repr(name) in text for name in ("read-file", "class", "zwei wörter")), text
    assert "identifier" in text and "keyword" in text
    assert caught.value.code == "stub_name"
    registry.scoped(["alert"]).describe()


def test_the_same_tools_give_the_same_text_in_every_process() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert "Literal['metric', 'imperial', 'kelvin'] = 'metric'" in runs[0]
    assert "tags: list[str] | None = None" in runs[0]
