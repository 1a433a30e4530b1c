"""`tools`: names, arguments, failures."""

from __future__ import annotations

import datetime

import pytest
from guest.harness import run, spec


def weather(location, units="metric"):
    if location == "nowhere":
        raise LookupError("no such place")
    return {"location": location, "units": units, "at": datetime.date(2026, 1, 2)}


TOOLS = {"weather": weather, "gather-data": lambda: [1]}


def test_spellings():
    got = run(
        """
        w = tools['weather']
        result = [w.run(location='NYC'), w(location='NYC'), tools.weather(location='NYC'), w.run('NYC'),
                  await w.arun(location='NYC'), await w.run(location='NYC'), w.call(location='NYC').run(),
                  await w.call('NYC', 'metric')]
        """,
        TOOLS,
    )
    assert got.error is None
    assert got.value == [weather("NYC")] * 8
    assert {name for name, _ in got.calls} == {"weather"}


def test_mapping():
    got = run(
        """
        t = tools['weather']
        result = ['weather' in tools, 'nope' in tools, list(tools), len(tools), 'weather' in dir(tools), t.name,
                  t.description, list(t.input_schema['properties']), hasattr(tools, 'nope'), sorted(tools.keys()),
                  repr(tools), t.__doc__, __import__('copy').copy(tools) is not None]
        """,
        TOOLS,
    )
    assert got.error is None, got.error
    assert got.value[:9] == [
        True,
        False,
        ["weather", "gather-data"],
        2,
        True,
        "weather",
        "The weather tool.",
        ["location", "units"],
        False,
    ]


def test_unknown_tool():
    got = run(
        """
        texts = []
        for wrong in (lambda: tools['wether'].run(), lambda: tools.wether(), lambda: tools[3]):
            try: wrong()
            except ToolError as e: texts.append([str(e), e.tool, e.error_type, e.suggestions])
        result = texts
        """,
        TOOLS,
    )
    text = "there is no tool 'wether'. Did you mean 'weather'? Available tools: weather, gather-data."
    assert got.value[:2] == [[text, "wether", "ToolNotFound", ["weather"]]] * 2
    assert got.calls == []


def test_uncaught_tool_error():
    got = run("tools['wether'].run()", TOOLS)
    assert (got.error["error_type"], got.error["line"]) == ("ToolError", 1)
    assert got.error["traceback"].splitlines()[-1].startswith("ToolError: there is no tool 'wether'")
    assert "_codemode" not in got.error["traceback"]


def test_failing_tool():
    got = run(
        """
        try: tools.weather(location='nowhere')
        except ToolError as e: result = [str(e), e.tool, e.error_type, e.message, e.valid_parameters]
        """,
        TOOLS,
    )
    text = "tool 'weather': LookupError: no such place"
    assert got.value == [text, "weather", "LookupError", "no such place", []]


def test_wrong_arguments_from_the_other_side():
    def strict():
        error = TypeError("unexpected argument")
        error.valid, error.near = ["location"], ["location"]
        raise error

    got = run("tools.strict()", {"strict": strict})
    assert got.error["message"] == (
        "tool 'strict': TypeError: unexpected argument; valid parameters: location; did you mean 'location'?"
    )


def test_parameters_are_told_apart_from_the_problem():
    def strict():
        error = TypeError("a: expected int, got str 'x'")
        error.valid, error.near = ["a*: int", "b: str or None"], []
        raise error

    assert run("tools.strict()", {"strict": strict}).error["message"] == (
        "tool 'strict': TypeError: a: expected int, got str 'x'; "
        "valid parameters: a* (int), b (str or None) (* = required)"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("tools.weather(1, 2, 3)", "takes at most 2 arguments, 3 were given; valid parameters: location, units"),
        ("tools.weather('x', location='y')", "got 'location' both by position and by keyword; valid"),
        ("tools.bare(1)", "pass arguments by keyword"),
        ("tools.weather(location='x' * 5000)", "the limit is 4000"),
    ],
)
def test_arguments_refused_before_anything_is_sent(call, text):
    specs = [spec("weather", "location", "units"), spec("bare", schema=False)]
    got = run(call, specs=specs, value_bytes=4000)
    assert got.calls == []
    assert got.error["error_type"] == "ToolError"
    assert text in got.error["message"]


def test_meta_tools_are_forwarded():
    got = run(
        "[tools['__list__'].run(), tools['__search__'].run('rain'), len(tools)]",
        {"__list__": lambda: {"count": 0}, "__search__": lambda query: query},
    )
    assert got.value[:2] == [{"count": 0}, "rain"]


def test_values_cross_both_ways():
    got = run(
        """
        import decimal, uuid
        sent = {'n': 10**5000, 'd': decimal.Decimal('1.10'), 's': {1, (2, 3)}, 'b': b'\\x00', 'f': float('inf')}
        got = tools.echo(value=sent)
        result = [got == sent, {k: type(v).__name__ for k, v in got.items()}]
        """,
        {"echo": lambda value: value},
    )
    assert got.value == [True, {"n": "int", "d": "Decimal", "s": "set", "b": "bytes", "f": "float"}]


def test_argument_that_cannot_be_carried():
    got = run("tools.echo(value=[1, object()])", {"echo": lambda value: value[0]})
    assert got.value == 1
    assert got.warnings[0].startswith("tools['echo'] arguments['value'][1] (object) crossed as its repr only")
    assert got.calls[0][1]["value"][1].type_name == "object"


def test_a_forked_process_may_not_call():
    got = run(
        """
        import os
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            try: tools.echo(value=1)
            except ToolError as e: os.write(write, str(e).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        result = os.read(read, 1000).decode()
        """,
        {"echo": lambda value: value},
    )
    assert "only from the process that runs the code" in got.value
    assert got.calls == []


def test_executor_gone():
    got = run("tools.echo(value=1)", {"echo": lambda value: value}, hang_up_after=1)
    assert got.kind is None  # nobody was left to hear of it


def test_parameters_with_the_proxys_own_names():
    got = run("tools.odd(**{'self': 1, 'args': 2, 'name': 3})", {"odd": lambda **given: given})
    assert got.value == {"self": 1, "args": 2, "name": 3}


def test_tools_win_over_methods():
    got = run(
        "[tools.gather(), tools.keys(), tools['values'].run()]", {n: lambda: 1 for n in ("gather", "keys", "values")}
    )
    assert got.value == [1, 1, 1]


def test_every_file_is_listed():
    from guest.host import PY, load

    listed = {path for _, path in load("_codemode_list", PY / "__init__.py").MODULES}
    assert {path.name for path in PY.glob("*.py")} - {"__init__.py"} <= listed
