"""Names that an application gives to code, and those that it gets back."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from codemode import Codemode, ComponentRegistry, ConfigError


@pytest.fixture(scope="module")
def codemode() -> Iterator[Codemode]:
    registry = ComponentRegistry()
    for function in (weather, double):
        registry.register_tool(function)
    registry.register_tool("print", double, description="Takes a built-in's name.")
    registry.register_tool("two words", double, description="No identifier.")
    with Codemode(registry=registry) as client:
        yield client


def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"{city}: {days}"


async def double(number: int) -> int:
    """Twice the number."""
    return number * 2


def test_variables_are_there_before_the_first_line(codemode: Codemode) -> None:
    given = {"prices": [2, 3], "since": datetime.date(2026, 1, 2), "ü": b"bytes"}
    result = codemode.execute("[sum(prices), since.year, ü]", variables=given)
    assert result.result == [5, 2026, b"bytes"]


def test_what_the_code_leaves_at_its_top_comes_back(codemode: Codemode) -> None:
    code = """
import math
from datetime import date

class Plan: ...

def plan(): ...

_private = 1
total = math.floor(2.5) + seen
days = {date(2026, 1, 2): (1, 2)}
opened = open('/dev/null')
"""
    result = codemode.execute(code, variables={"seen": 40, "unused": "x"}, keep_variables=True)
    assert result.success and result.result is None
    kept = {"seen": 40, "unused": "x", "total": 42, "days": {datetime.date(2026, 1, 2): (1, 2)}}
    assert result.variables == kept
    (warning,) = result.warnings
    names = ["math (module)", "date (type)", "Plan (type)", "plan (function)", "opened (TextIOWrapper)"]
    assert warning == f"these names are not kept: {', '.join(names)}"


def test_steps_that_go_on_from_each_other(codemode: Codemode) -> None:
    variables = {}
    for step in ("rows = [1, 2]", "rows.append(3)", "total = sum(rows)"):
        variables = codemode.execute(step, variables=variables, keep_variables=True).variables
    assert variables == {"rows": [1, 2, 3], "total": 6}


def test_a_result_of_a_step_before_is_not_the_result_of_this_one(codemode: Codemode) -> None:
    first = codemode.execute("result = [1]", keep_variables=True)
    assert first.variables == {"result": [1]}
    assert codemode.execute("len(result) + 1", variables=first.variables).result == 2
    assert codemode.execute("print(result)", variables=first.variables).result_json is None
    assert codemode.execute("result = result + [2]", variables=first.variables).result == [1, 2]


@pytest.mark.parametrize("value", [True, 7, None, "a", ()])
def test_a_result_that_equals_the_one_before_is_a_result(value: object, codemode: Codemode) -> None:
    """Also where the interpreter has only one such object."""
    before = {"result": value}
    set_by_a_function = f"def decide():\n    global result\n    result = {value!r}\ndecide()\nprint('x')"
    for code in (f"result = {value!r}", set_by_a_function):
        again = codemode.execute(code, variables=before, keep_variables=True)
        assert again.result_json is not None and (again.result, again.variables) == (value, before)
    again = codemode.execute("if not result: print(result)", variables=before, keep_variables=True)
    assert again.result_json is None and again.variables == before


def test_variables_are_kept_of_code_that_failed(codemode: Codemode) -> None:
    result = codemode.execute("found = 7\n1 / 0", keep_variables=True)
    assert result.outcome == "error" and result.variables == {"found": 7}


def test_nothing_is_kept_unasked(codemode: Codemode) -> None:
    assert codemode.execute("x = 1").variables == {}


def test_what_does_not_fit_beside_the_result_is_left_out_and_named() -> None:
    with Codemode.local({"limits": {"result_bytes": 4096}}) as client:
        code = "large = 'x' * 3000\nsmall = 1\n'y' * 2000"
        result = client.execute(code, keep_variables=True)
    assert result.success and result.variables == {"small": 1}
    assert result.warnings == ("these names are not kept: large (str)",)


def test_tools_as_functions_of_their_names(codemode: Codemode) -> None:
    code = """
print(weather('Oslo', days=2), await double(4), double(number=3))
[name for name in ('weather', 'double', 'two words') if name in globals()]
"""
    result = codemode.execute(code, bare_tools=True, keep_variables=True)
    assert result.stdout == "Oslo: 2 8 6\n", result
    assert result.result == ["weather", "double"]
    assert result.variables == {} and result.warnings == ()


def test_a_tool_of_the_results_name_is_no_result() -> None:
    registry = ComponentRegistry()
    registry.register_tool("result", double)
    with Codemode(registry=registry) as client:
        assert client.execute("result(2) + 1", bare_tools=True, keep_variables=True).variables == {}
        assert client.execute("result(2) + 1", bare_tools=True).result == 5
        assert client.execute("result = result(2)", bare_tools=True).result == 4


def test_tools_are_no_functions_unasked(codemode: Codemode) -> None:
    result = codemode.execute("weather('Oslo')")
    assert result.error and result.error.error_type == "NameError"


def test_a_variable_wins_over_a_tool_of_its_name_and_over_the_context(codemode: Codemode) -> None:
    result = codemode.execute("context", context={"user": "ada"}, variables={"context": "text"}, keep_variables=True)
    assert (result.result, result.variables) == ("text", {"context": "text"})
    assert codemode.execute("context", context={"user": "ada"}, keep_variables=True).variables == {}
    assert codemode.execute("weather", variables={"weather": "rain"}, bare_tools=True).result == "rain"


@pytest.mark.parametrize("name", ["two words", "class", "tools", "__builtins__", 1, ""])
def test_names_that_cannot_be_given(codemode: Codemode, name: object) -> None:
    with pytest.raises(ConfigError, match="variables"):
        codemode.execute("1", variables={name: 1})  # type: ignore[dict-item]


def test_code_that_lies_about_its_variables(codemode: Codemode) -> None:
    """Whatever it makes of its own namespace, what comes back is a mapping of names to plain values."""
    code = "globals()[3] = 1\nglobals()['a b'] = 2\nglobals()['x'] = 5\nclass Odd(str): ...\nglobals()[Odd('y')] = 6"
    assert codemode.execute(code, keep_variables=True).variables == {"x": 5}


def test_a_value_that_hides_what_it_is_spoils_no_other(codemode: Codemode) -> None:
    code = """
class Odd:
    @property
    def __class__(self): raise RuntimeError
class Kind(type):
    __name__ = property(lambda self: '\\ud800')
class Named(metaclass=Kind): ...
odd, named, fine = Odd(), Named(), 1
"""
    result = codemode.execute(code, keep_variables=True)
    assert result.success and result.variables == {"fine": 1}
    assert "odd (Odd), named (Named)" in result.warnings[0]


def test_what_is_kept_can_be_given_to_the_next(codemode: Codemode) -> None:
    """Also of code that takes names which no variable can have."""
    code = "tools = ToolError = 1\nfor name in ('class', '\uff58', '__x__'): globals()[name] = 2\nx = 3"
    first = codemode.execute(code, keep_variables=True)
    assert first.variables == {"name": "__x__", "x": 3} and "tools (int), ToolError (int), class (int)" in str(
        first.warnings
    )
    assert codemode.execute("x", variables=first.variables).result == 3


def test_a_name_that_the_compiler_writes_in_another_way(codemode: Codemode) -> None:
    """A keyboard's micro sign is the Greek letter to Python."""
    result = codemode.execute("\u00b5 + 1", variables={"\u00b5": 1}, keep_variables=True)
    assert result.result == 2 and result.variables == {"\u03bc": 1}


@pytest.mark.parametrize(
    "kept", ['{"tools":1}', '{"a b":1}', '{"class":1}', '{"__x":1}', "[]", '{"$codemode":"dict","v":[[1,2]]}']
)
def test_a_guest_that_code_has_taken_over(kept: str, codemode: Codemode) -> None:
    """The client looks at the names itself."""
    code = f"import sys\nsys.modules['_codemode.variables'].kept = lambda *_: ({kept.encode()!r}, [])"
    result = codemode.execute(code, keep_variables=True)
    assert result.outcome == "protocol_error" and result.variables == {}
