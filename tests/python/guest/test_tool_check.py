"""The check of tool calls before a program runs: what it finds, and above all where it is silent."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from guest import harness, host

ROOT = Path(__file__).parents[3]
CALLED = re.compile(r"tools\[['\"](\w+)['\"]\]|tools\.(\w+)")


@pytest.fixture(scope="module")
def runtime():
    """The guest's modules in this process. They are forgotten afterwards: other tests have a package of their own."""
    before = set(sys.modules)
    host.load_runtime()
    yield sys.modules["_codemode"]
    for name in set(sys.modules) - before:
        if name.startswith("_codemode"):
            del sys.modules[name]


@pytest.fixture
def problems(runtime):
    def check(code, specs=None):
        found = runtime.tool_check.check(ast.parse(dedent(code)), specs or SPECS)
        return [str(problem) for problem in found]

    return check


def described(name, properties=None, **schema):
    text = json.dumps({"type": "object", "properties": properties or {}, **schema})
    return {**harness.spec(name), "input_schema": text.encode()}


SPECS = [
    described("weather", {"city": {}, "units": {}}, required=["city"], additionalProperties=False),
    described("send-mail", {"to": {}}, required=["to"], additionalProperties=False),
    described("ping", {}, additionalProperties=False),
    described("anything", {"first": {}}),
    {**harness.spec("bare"), "input_schema": None},
    {**harness.spec("broken"), "input_schema": b"{no json"},
    described("of_ref", {"a": {}}, additionalProperties=False, **{"$ref": "#/$defs/x"}),
    described("of_pattern", {"a": {}}, additionalProperties=False, patternProperties={"^x": {}}),
    described("filled_in", {"a": {"default": 1}}, required=["a"], additionalProperties=False),
]
TOOLS = "available tools: " + ", ".join(spec["name"] for spec in SPECS)
VALID = "valid parameters: city*, units (* = required)"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("tools['wether'].run(city='NYC')", f"there is no tool 'wether'; did you mean 'weather'? {TOOLS}"),
        ("tools.wether(city='NYC')", f"there is no tool 'wether'; did you mean 'weather'? {TOOLS}"),
        ("tools['zzz']", f"there is no tool 'zzz'; {TOOLS}"),
        ("tools['keys']", f"there is no tool 'keys'; {TOOLS}"),
        (
            "tools['weather'].run(citi='NYC')",
            f"tool 'weather' has no parameter 'citi'; did you mean 'city'? {VALID}",
        ),
        ("tools.weather(city=1, zzz=2)", f"tool 'weather' has no parameter 'zzz'; {VALID}"),
        ("tools.weather(**more, zzz=2)", f"tool 'weather' has no parameter 'zzz'; {VALID}"),
        ("tools.ping(x=1)", "tool 'ping' has no parameter 'x'; it has no parameters"),
        ("tools.weather(units='K')", f"tool 'weather' needs 'city'; {VALID}"),
        ("tools.weather.run()", f"tool 'weather' needs 'city'; {VALID}"),
        ("tools.weather('NYC', 'K', 3)", f"tool 'weather' takes at most 2 arguments, 3 are given; {VALID}"),
        ("tools.weather('NYC', city=1)", f"tool 'weather' gets 'city' both by position and by keyword; {VALID}"),
        ("tools.bare(1)", "pass arguments by keyword: tool 'bare' does not declare the names of its parameters"),
        ("tools['__list__'].run(1)", "tool '__list__' takes at most 0 arguments, 1 are given; it has no parameters"),
        (
            "tools['weather'].rum(city='NYC')",
            "a tool has no method 'rum'; did you mean 'run'? call it as tools['weather'].run(...); methods: run, arun",
        ),
        ("tools.weather.map([{'city': 1}, {'citi': 1}])", "has no parameter 'citi'; did you mean 'city'?"),
        ("tools.weather.map([{'city': 1}, {}])", f"tool 'weather' needs 'city'; {VALID}"),
        ("await tools.weather.arun(citi='NYC')", "has no parameter 'citi'"),
        ("tools.weather.call(citi='NYC').run()", "has no parameter 'citi'"),
        ("tools.gather(tools.weather.call(citi='NYC'))", "has no parameter 'citi'"),
        ("w = tools['weather']; w.run(citi='NYC')", "has no parameter 'citi'"),
        ("w = tools.weather; w.execute()", "a tool has no method 'execute'"),
    ],
)
def test_what_can_only_fail(problems, code, text):
    (found,) = problems(code)
    assert found.startswith("line 1: ")
    assert text in found


WRONG_ANYWAY = [
    "if rows:\n    {}",
    "if not rows:\n    pass\nelse:\n    {}",
    "for row in rows:\n    {}",
    "while True:\n    {}",
    "x = [{} for row in rows]",
    "x = [row for row in rows if {}]",
    "x = rows and {}",
    "x = 1 if rows else {}",
    'print(f"{{{}}}")',
    "def f():\n    return {}\nf()",
    "def g():\n    return {}\ndef f():\n    return g()\nf()",
    "async def f():\n    return {}\nawait f()",
    "import asyncio\nasync def f():\n    return {}\nasyncio.run(f())",
    "async def f(): {}\nasync def g(): await asyncio.gather(f(), f())\nimport asyncio\nasyncio.run(g())",
    "def f():\n    yield {}\nfor x in f(): pass",
    "x = list(map(lambda row: {}, rows))",
    "rows.sort(key=lambda row: {})",
    "x = sum({} for row in rows)",
    "class A:\n    x = {}",
    "class A:\n    def fetch(self):\n        return {}\nA().fetch()",
    "if __name__ == '__main__':\n    {}",
    "with open('/tmp/x') as f:\n    {}",
    "with futures.ThreadPoolExecutor() as p:\n    x = list(p.map(lambda row: {}, rows))",
    "try:\n    {}\nexcept KeyError:\n    pass",
    "try:\n    {}\nexcept (ValueError, IndexError) as e:\n    pass",
    "try:\n    pass\nexcept Exception:\n    pass\n{}",
    "try:\n    {}\nfinally:\n    pass",
    "try:\n    pass\nfinally:\n    {}",
    "DEBUG = True\nif DEBUG:\n    {}",
    "match rows:\n    case []:\n        {}",
    "if 'weather' in tools:\n    pass\n{}",
    "print(len(tools), sorted(tools))\n{}",
    "import sys\nif not rows:\n    sys.exit()\n{}",
]


@pytest.mark.parametrize("frame", WRONG_ANYWAY)
@pytest.mark.parametrize("use", ["tools['wether'].run()", "tools.weather(citi=1)"])
def test_what_the_program_comes_to(problems, frame, use):
    assert len(problems(frame.format(use))) == 1


SHIELDED = [
    # failures that are handled, or lead elsewhere
    "try:\n    {}\nexcept ToolError:\n    pass",
    "try:\n    {}\nexcept:\n    pass",
    "try:\n    {}\nexcept Exception as e:\n    print(e)",
    "try:\n    {}\nexcept AttributeError:\n    pass",
    "try:\n    {}\nexcept (KeyError, ToolError):\n    pass",
    "try:\n    pass\nexcept ToolError:\n    pass\nelse:\n    {}",
    "try:\n    pass\nexcept ImportError:\n    {}",
    "try:\n    for row in rows:\n        {}\nexcept Exception:\n    pass",
    "def f():\n    try:\n        {}\n    finally:\n        return 1\nf()",
    "KeyError = Exception\ntry:\n    {}\nexcept KeyError:\n    pass",
    "import sys\ntry:\n    {}\nfinally:\n    sys.exit(0)",
    "from contextlib import suppress\nwith suppress(Exception):\n    {}",
    "import pytest\nwith pytest.raises(ToolError):\n    {}",
    "with lock:\n    {}",
    "def f():\n    {}\ntry:\n    f()\nexcept ToolError:\n    pass",
    "def f():\n    {}\ndef safe(g):\n    try:\n        return g()\n    except Exception:\n        pass\nsafe(f)",
    "def safe(g):\n    try:\n        return g()\n    except Exception:\n        pass\nsafe(lambda: {})",
    "from elsewhere import retry\nretry(lambda: {})",
    "from elsewhere import retry\n@retry\ndef f():\n    {}\nf()",
    "from threading import Thread\nThread(target=lambda: {}).start()",
    "import asyncio\nasync def f(): {}\nawait asyncio.gather(f(), return_exceptions=True)",
    # code that is not run
    "if False:\n    {}",
    "if 0:\n    pass\nelif not True:\n    {}",
    "if True:\n    pass\nelse:\n    {}",
    "while 0:\n    {}",
    "for row in []:\n    {}",
    "x = [{} for row in ()]",
    "DEBUG = False\nif DEBUG:\n    {}",
    "MODE = 'test'\nif MODE == 'live':\n    {}",
    "MODE = 'test'\nx = MODE == 'live' and {}",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}",
    "def f():\n    return 1\n    {}\nf()",
    "import sys\nsys.exit(0)\n{}",
    "raise SystemExit\n{}",
    "import sys\nwhile True:\n    if True:\n        sys.exit(0)\n    break\n{}",
    "import sys\nif True:\n    sys.exit(0)\n{}",
    "import sys\nMODE = 'test'\nif MODE == 'test':\n    sys.exit(0)\n{}",
    "while True:\n    pass\n{}",
    "def f():\n    {}",
    "async def f():\n    {}\nc = f()\nc.close()",
    "def f():\n    yield {}\nx = f()",
    "x = ({} for row in rows)",
    "class A:\n    def fetch(self):\n        {}",
    "class A:\n    def get(self, key):\n        {}\nA(); dict().get('x')",
    "f = lambda: {}",
    "assert rows, {}",
    "x: {} = 1",
    "def f(x: {} = 1): pass\nf()",
    # the program asks first
    "if 'wether' in tools:\n    {}",
    "if 'wether' not in tools:\n    pass\nelse:\n    {}",
    "if 'weather' in tools:\n    pass\nelse:\n    {}",
    "x = 'wether' in tools and {}",
    "x = {} if 'wether' in tools else None",
    "if hasattr(tools, 'wether'):\n    {}",
    "import sys\nif 'wether' not in tools:\n    sys.exit(0)\n{}",
    "if 'wether' not in tools:\n    raise SystemExit(0)\n{}",
    "def main():\n    if 'wether' not in tools:\n        return\n    {}\nmain()",
    "have = 'wether' in tools\nif have:\n    {}",
    "names = [name for name in tools]\nif 'wether' in names:\n    {}",
    "if any(name.startswith('we') for name in tools):\n    {}",
    "if len(tools) > 99:\n    {}",
    "if tools.get('wether'):\n    {}",
    "found = tools['__search__'].run(query='rain')\nif found['count']:\n    {}",
    "if 'citi' in tools['weather'].input_schema['properties']:\n    {}",
    "assert 'wether' in tools\nif rows: {}",
    "if context.get('live'):\n    {}",
    "import os\nif os.environ.get('LIVE'):\n    {}",
    # `tools` may be something else
    "tools = fake()\n{}",
    "tools: object = fake()\n{}",
    "tools, x = fake()\n{}",
    "def f(tools):\n    {}\nf(fake)",
    "def f():\n    global tools\n    tools = 1\nf()\n{}",
    "import helpers as tools\n{}",
    "from helpers import tools\n{}",
    "from helpers import *\n{}",
    "for tools in fake:\n    {}",
    "x = [{} for tools in fake]",
    "with fake() as tools:\n    {}",
    "try:\n    fake()\nexcept ValueError as tools:\n    {}",
    "if (tools := fake()):\n    {}",
    "match fake:\n    case [tools]:\n        {}",
    "match fake:\n    case {{'a': 1, **tools}}:\n        {}",
    "del tools\n{}",
    "class A:\n    tools = fake\n    x = {}",
    "class tools:\n    pass\n{}",
    "def tools(): pass\n{}",
    "f = lambda tools: {}\nf(fake)",
    "tools.wether = fake\n{}",
    "tools['wether'] = fake\n{}",
    "tools._specs['wether'] = fake\n{}",
    "install(tools)\n{}",
    "t = tools\nt.wether = fake\n{}",
    "setattr(fake, 'x', tools)\n{}",
    "globals()['tools'] = fake\n{}",
    "exec('tools = fake')\n{}",
    "import sys\nsys.modules['__main__'].tools = fake\n{}",
    "import __main__\n__main__.tools = fake\n{}",
    "import builtins\n{}",
    "from unittest.mock import patch\nwith patch('__main__.tools'): pass\n{}",
    "open('m.py', 'w').write('import __main__ as m; m.x()')\nimport m\n{}",
]


@pytest.mark.parametrize("frame", SHIELDED)
@pytest.mark.parametrize("use", ["tools['wether'].run()", "tools.weather(citi=1)", "tools['weather'].execute(city=1)"])
def test_silent_where_it_may_be_meant(problems, frame, use):
    assert problems(frame.format(use)) == []


@pytest.mark.parametrize(
    "code",
    [
        "tools['weather'].run(city='NYC', units='K')",
        "tools.weather('NYC', units='K')",
        "tools.weather(*rows)",
        "tools.weather(**row)",
        "tools.weather.run(units='K', **row)",
        "tools[name].run(zzz=1)",
        "tools[3]",
        "tools['send-mail'](to='x')",
        "tools['anything'].run(zzz=1)",
        "tools['bare'].run(zzz=1)",
        "tools['broken'].run(1, zzz=1)",
        "tools['of_ref'].run(zzz=1)",
        "tools['of_pattern'].run(xzz=1)",
        "tools['filled_in'].run()",
        "tools['__list__'].run()['count']",
        "tools.__schema__.run(name='weather')",
        "tools.gather(tools.weather.call(city=1), return_exceptions=True)",
        "tools.keys(), tools.values(), tools.items(), tools.get('x')",
        "tools['weather'].name, tools.weather.description, tools.weather.input_schema, tools.weather.output_schema",
        "tools.weather.map([{'city': c} for c in rows])",
        "tools.weather.map([{'city': 1}, {**row}, {key: 1}], return_exceptions=True)",
        "tools.weather.map([{'citi': 1}], return_exceptions=True)",
        "tools.gather([tools.weather.call(citi=1)], return_exceptions=True)",
        "tools.weather.call(citi=1)",  # never made
        "w = tools['weather']; w = other; w.run(citi=1)",
        "def f(w): w.run(citi=1)\nw = tools['weather']; f(other)",
        "self.tools.wether(); app.tools['wether'].run()",
        "tools.weather.__doc__",
        "type(tools['weather']).execute = fake\ntools.weather.execute()",
        "print(tools)",
        "",
        "'tools'",
    ],
)
def test_silent_about_what_is_right_or_unclear(problems, code):
    assert problems(code) == []


def corpus():
    yield from sorted((ROOT / "examples/demo/programs").glob("*.py"))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            if CALLED.search(block):
                yield block


@pytest.mark.parametrize("program", list(corpus()), ids=lambda program: getattr(program, "name", None))
def test_silent_about_our_own_programs(problems, program):
    code = program.read_text() if isinstance(program, Path) else program
    names = {first or second for first, second in CALLED.findall(code)}
    tree = compile(dedent(code), "x", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert problems(ast.unparse(tree), [described(name) for name in names]) == []


def test_all_at_once_in_order_of_lines(problems):
    found = problems("""\
        def late():
            return tools.wether()
        tools.weather(citi=1, zzz=2)
        late()
        if rows:
            tools['nope'].run()
    """)
    assert [each.partition(": ")[0] for each in found] == ["line 2", "line 3", "line 3", "line 6"]


def test_many_are_counted(problems):
    found = problems("\n".join(f"tools.nope{i}()" for i in range(100)))
    assert len(found) == 21
    assert found[-1] == "line 21: and 80 more problems from here on"


def test_long_names_and_many_tools_are_cut(problems):
    (found,) = problems(f"tools.{'x' * 5000}()", [described(f"tool_{i:04}") for i in range(5000)])
    assert len(found) < 1000
    assert found.endswith("tool_0029 and 4970 more")


def test_no_tools(runtime):
    (problem,) = runtime.tool_check.check(ast.parse("tools['x'].run()"), [])
    assert problem.message == "there is no tool 'x'; no tools are available"


@pytest.mark.parametrize(
    "code",
    [
        "tools.nope(" + "f(" * 80 + ")" * 80 + ")",
        "tools.nope()\nx = " + "+".join(["1"] * 600),
        "tools.nope()\n" + "x = 1\n" * 300_000,
        "tools.nope()\n" + "if x: pass\n" + "elif x: pass\n" * 400,
        "tools['\\ud800'].run()",
        "tools.nope()\n" + "\n".join(f"def f{i}(): f{i + 1}()" for i in range(3000)),
    ],
    ids=["nested", "chain", "long", "branches", "surrogate", "functions"],
)
def test_it_never_raises(problems, code):
    assert len(problems(code)) <= 1


@pytest.mark.parametrize(
    "schema", [b"", b"null", b"[]", b"\xff", b"{", b'{"properties": 3}', b'{"required": 3}', b"[" * 100_000]
)
def test_schemas_that_say_nothing(problems, schema):
    assert problems("tools.odd(x=1)", [{**harness.spec("odd"), "input_schema": schema}]) == []


def test_it_knows_what_tools_offer_besides_the_tools(runtime):
    tools = runtime.tools.Tools(None, [])
    for name in runtime.tool_uses.OFFERED:
        assert getattr(tools, name) is not None
    with pytest.raises(runtime.calls.ToolError):
        tools.anything_else  # noqa: B018


def test_it_imports_difflib_only_for_a_problem():
    code = "import sys\nbefore = 'difflib' in sys.modules\nresult = before"
    assert harness.run(code + "\ntools.weather(city=1)", {"weather": lambda city: 1}, check_tools=True).value is False


def checked(code, **tools):
    tools = tools or {"weather": lambda city, units="metric": city}
    return harness.run(code, tools, check_tools=True)


def test_nothing_runs_when_there_is_a_problem():
    got = checked("""\
        print('before')
        first = tools.weather(city='NYC')
        second = tools['wether'].run(city='LA')
        third = tools.nope()
    """)
    assert (got.kind, got.exit_code, got.returncode, got.stdout, got.stderr) == ("error", 1, 1, "", "")
    assert got.calls == []
    assert (got.error["error_type"], got.error["line"]) == ("ToolCheckError", 3)
    have = "available tools: weather"
    assert got.error["message"].splitlines() == [
        f"line 3: there is no tool 'wether'; did you mean 'weather'? {have}",
        f"line 4: there is no tool 'nope'; {have}",
    ]


def test_the_traceback_shows_the_first_place():
    got = checked("x = 'é'; y = tools['wether'].run(\n    city='LA')\ntools.nope()\n")
    assert got.error["traceback"] == (
        '  File "main.py", line 1\n'
        "    x = 'é'; y = tools['wether'].run(\n"
        "                 ^^^^^^^^^^^^^^^\n"
        f"ToolCheckError: {got.error['message']}\n"
    )


def test_lines_are_counted_as_the_parser_does():
    got = checked("x = '\x0c\u2028'\r\ny = 1\rtools.nope()")
    assert got.error["line"] == 3
    assert "    tools.nope()\n    ^^^^^^^^^^\n" in got.error["traceback"]


def test_it_can_be_switched_off():
    got = harness.run("print('before')\ntools.wether()", {"weather": lambda city: 1}, check_tools=False)
    assert (got.error["error_type"], got.stdout) == ("ToolError", "before\n")


def test_a_program_without_problems_runs():
    got = checked("result = [tools.weather(city=c) for c in ('NYC', 'LA')]")
    assert got.value == ["NYC", "LA"]


def test_syntax_errors_come_first():
    assert checked("tools.nope()\nx = (").error["error_type"] == "SyntaxError"
