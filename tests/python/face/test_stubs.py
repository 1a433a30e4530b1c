"""Stubs: valid Python for every schema and description, and what mypy makes of code that calls the tools."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codemode import _native

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "stub_expected.txt"

ADDRESS = {
    "title": "Address",
    "type": "object",
    "properties": {"street": {"type": "string", "description": "With\nnumber # and all"}, "class": {"type": "string"}},
    "required": ["street"],
}
NODE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
    "required": ["name"],
}
JSON = {
    "anyOf": [
        {"type": ["string", "null"]},
        {"type": "array", "items": {"$ref": "#/$defs/Json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
    ]
}
WEATHER = {
    "title": "Weather",
    "type": "object",
    "properties": {
        "celsius": {"type": "number"},
        "when": {"type": "string", "format": "date-time"},
        "wind": {
            "type": "object",
            "properties": {"speed": {"type": "number"}, "from": {"type": "string"}},
            "required": ["speed"],
        },
    },
    "required": ["celsius", "when"],
}


def tool(name: str, description: str = "", arguments: Any = None, result: Any = None) -> _native.RawToolSpec:
    return {
        "name": name,
        "description": description,
        "input_schema": None if arguments is None else json.dumps(arguments).encode(),
        "output_schema": None if result is None else json.dumps(result).encode(),
        "is_async": False,
        "has_context": False,
        "timeout": None,
    }


def parameters(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


TOOLS = [
    tool(
        "weather",
        'Weather at a place.\n\nSays what it is "now". C:\\temp """quoted"""',
        parameters(
            ["location"],
            location={"type": "string", "description": "A city."},
            days={"type": "integer", "minimum": 1, "maximum": 9, "default": 1, "description": "How many."},
            units={"enum": ["metric", "imperial"], "default": "metric"},
            tags={"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
            address={"$ref": "#/$defs/Address", "default": {"street": "x"}},
            since={"type": "string", "format": "date"},
        )
        | {"$defs": {"Address": ADDRESS}},
        WEATHER,
    ),
    tool(
        "tree",
        "",
        parameters(["root"], root={"$ref": "#/$defs/Node"}, json={"$ref": "#/$defs/Json"}, **{"my-flag": {}})
        | {"$defs": {"Node": NODE, "Json": JSON}},
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
    ),
    tool("list", "Lists all.", parameters([]), {"type": "array", "items": {"type": "string"}}),
    tool("store", "Keeps a record.", {"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "null"}),
    tool(
        "send",
        "Sends.",
        {
            "allOf": [parameters(["to"], to={"type": "string"})],
            "properties": {"urgent": {"const": True}, "to": {"type": "string"}},
            "required": ["to"],
        },
        {"allOf": [WEATHER, {"properties": {"id": {"type": "integer"}}}]},
    ),
    tool("anything", "Anything goes."),
]


def test_the_stub_is_the_expected_one() -> None:
    stub = _native.render_stubs(TOOLS)
    assert stub == EXPECTED.read_text(), "if the change is meant, write the new text to stub_expected.txt"
    assert stub == _native.render_stubs(TOOLS)


def check(tmp_path: Path, stub: str, code: str = "") -> str:
    (tmp_path / "given.pyi").write_text(stub)
    (tmp_path / "code.py").write_text("from given import tools\n" + code)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "code.py", "given.pyi"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300).stdout


def test_mypy_checks_code_against_it(tmp_path: Path) -> None:
    right = """
found = tools.weather(location="Oslo", days=2, units="imperial", address={"street": "a"})
warm: float = found["celsius"]
names: list[str] = tools.list()
deep: str = tools.tree(root={"name": "a", "children": [{"name": "b"}]})["children"][0]["name"]
tools.tree(root={"name": "a"}, json={"a": ["b", None, {}]})
tools.store(a=1, b=2)
tools.anything(whatever=object())
tools["weather"].map([{"location": "Oslo"}])
both: list[object] = tools.gather(tools["list"].call())
"""
    assert check(tmp_path, _native.render_stubs(TOOLS), right) == ""
    wrong = """tools.weather()
tools.weather("Oslo")
tools.weather(location=1)
tools.weather(location="Oslo", units="kelvin")
tools.weather(loction="Oslo")
tools.wether(location="Oslo")
tools.weather(location="Oslo")["celcius"]
tools.store(a="x")
tools.tree(root={"nam": "a"})
"""
    complaints = check(tmp_path, _native.render_stubs(TOOLS), wrong).splitlines()
    complained = {int(line.split(":")[1]) for line in complaints if ": error:" in line}
    assert complained == set(range(2, 11)), complaints


def test_names_that_hide_types_do_no_harm(tmp_path: Path) -> None:
    names = ["str", "int", "dict", "float", "bool", "Any", "Literal", "TypedDict", "NotRequired", "Tools2", "gather"]
    shape = parameters(
        ["str"],
        str={"type": "integer"},
        list={"type": "array", "items": {"type": "string"}},
        Any={},
        Result={"enum": [1, "a", None, False]},
        self={"type": "object", "properties": {"int": {"type": "string"}, "x": {"type": "integer"}}},
        __private={"type": "number", "default": 0.5},
    )
    stub = _native.render_stubs([tool(name, "", shape, shape) for name in names])
    assert check(tmp_path, stub, "tools.str(str=1, list=['a'])\n") == ""


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["my-tool"], "'my-tool' is no Python identifier"),
        (["a b", "class", "_x", "ok", "1a", "ok"], "'a b' is no Python identifier, 'class' is a keyword of Python, "),
        (["ﬁle"], "'ﬁle' is no Python identifier"),
    ],
)
def test_names_that_are_no_identifiers_are_all_named(names: list[str], told: str) -> None:
    with pytest.raises(_native.NativeError) as caught:
        _native.render_stubs([tool(name) for name in names])
    code, message, *_ = caught.value.args
    assert code == "stub_name"
    assert told in message
    assert "tools['" in message
    assert all(repr(name) in message for name in names if name != "ok" or names.count(name) > 1)


TEXTS = [
    '"""',
    "\\",
    'a\\"',
    '"""\nimport os\nos.system("x")\n"""',
    "\r\nimport os",
    "\0\x1b[2J\u202e",
    "'",
    "\ud7ff\ue000\U0001f600",
    "# no",
    "{}%s",
    "\\N{DIGIT ONE}\\x4",
    "   \n\t\n   x\n",
    "",
]
NAMES = [
    "a",
    "name",
    "class",
    "None",
    "self",
    "int",
    "list",
    "Any",
    "my-key",
    "",
    "__x",
    "1",
    "ﬁ",
    "für",
    "a.b",
    *TEXTS,
]


class Random:
    """JSON Schemas as nobody writes them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, choices: list[Any]) -> Any:
        return self.random.choice(choices)

    def value(self, depth: int = 2) -> Any:
        plain = [None, True, False, 0, -1, 2**63, 1.5, -1e300, *TEXTS]
        if depth and self.random.random() < 0.3:
            return self.one([[self.value(depth - 1)], {self.one(NAMES): self.value(depth - 1)}])
        return self.one(plain)

    def schema(self, depth: int) -> Any:
        if not depth or self.random.random() < 0.05:
            return self.one([True, False, {}, {"type": "string"}, {"$ref": "#"}, {"$ref": "#/$defs/a"}])

        def some() -> list[Any]:
            return [self.schema(depth - 1) for _ in range(self.random.randrange(1, 4))]

        def named() -> dict[str, Any]:
            return {self.one(NAMES): each for each in some()}

        kinds = ["string", "integer", "number", "boolean", "null", "array", "object"]
        parts: dict[str, Any] = {
            "type": lambda: self.one([self.one(kinds), self.random.sample(kinds, 2)]),
            "properties": named,
            "required": lambda: list(dict.fromkeys(self.one(NAMES) for _ in range(2))),
            "additionalProperties": lambda: self.one([True, False, self.schema(depth - 1)]),
            "items": lambda: self.schema(depth - 1),
            "prefixItems": some,
            "anyOf": some,
            "allOf": some,
            "enum": lambda: [self.value() for _ in range(3)],
            "const": self.value,
            "default": self.value,
            "description": lambda: self.one(TEXTS) + self.one(TEXTS),
            "title": lambda: self.one(NAMES),
            "pattern": lambda: self.one(["^a$", "'\"", "\\d"]),
            "format": lambda: self.one(["date", "date-time", "x\ny"]),
            "minimum": lambda: self.one([0, 1.5]),
            "$ref": lambda: self.one(["#", "#/$defs/a", "#/$defs/b", "#/nowhere", "https://example.com/x"]),
        }
        keys = self.random.sample(sorted(parts), self.random.randrange(0, 6))
        return {key: parts[key]() for key in keys}

    def whole(self) -> Any:
        schema = self.schema(4)
        if isinstance(schema, dict):
            schema["$defs"] = {"a": self.schema(3), "b": self.schema(2)}
        return schema


def test_every_stub_is_valid_python() -> None:
    for seed in range(1500):
        made = Random(seed)
        tools = [tool(name, made.one(TEXTS) * 2, made.whole(), made.whole()) for name in ("a", "list", "für")]
        stub = _native.render_stubs(tools)
        try:
            tree = ast.parse(stub)
        except (SyntaxError, ValueError) as error:
            pytest.fail(f"seed {seed}: {error}\n{stub}")
        # Nothing that was meant as text has become a statement.
        kinds = {type(node) for node in tree.body}
        assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.ClassDef}, f"seed {seed}"
        methods = [node.name for node in tree.body[-2].body if isinstance(node, ast.FunctionDef)]  # type: ignore[attr-defined]
        assert methods == ["a", "list", "für", "__getitem__", "gather"], f"seed {seed}"


def test_some_random_stubs_satisfy_mypy(tmp_path: Path) -> None:
    for seed in range(40):
        made = Random(seed)
        (tmp_path / f"stub{seed}.pyi").write_text(_native.render_stubs([tool("a", "", made.whole(), made.whole())]))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.stdout == ""


def test_schemas_that_cannot_be_read_say_nothing() -> None:
    broken = tool("a", "Still there.")
    broken["input_schema"] = broken["output_schema"] = b"{"
    stub = _native.render_stubs([broken])
    assert "def a(self, **more: Any) -> Any:" in stub
    ast.parse(stub)
    ast.parse(_native.render_stubs([]))
