"""`codemode tools`: the tools of files and modules, and what is said where they cannot be had."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from codemode import ComponentRegistry
from codemode._tool_modules import load_tools
from e2e.daemon import CODEMODE

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}

WEATHER = '''
from typing import Literal

from codemode import Tool, tool

print("loading")


@tool
def weather(location: str, units: Literal["metric", "imperial"] = "metric") -> dict[str, float]:
    """Current weather of a city.

    Args:
        location: The city.
    """
    return {"temperature": 21}


class ReadFile(Tool):
    name = "read_file"
    description = "Read contents of a file"

    def execute(self, path: str, **more: int) -> str:
        return path


reader = ReadFile()


def helper() -> None: ...
'''


def codemode(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [str(CODEMODE), "tools", *arguments]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_tools.py").write_text(WEATHER)
    return tmp_path


def test_stubs_are_python_and_nothing_else_is_on_stdout(folder: Path) -> None:
    done = codemode(folder, "stubs", "--tools", "my_tools.py")
    assert (done.returncode, done.stderr) == (0, "loading\n")
    ast.parse(done.stdout)
    assert "weather" in done.stdout and "read_file" in done.stdout and "helper" not in done.stdout
    assert done.stdout == load_tools([str(folder / "my_tools.py")]).describe()
    assert codemode(folder, "stubs", "--tools", "my_tools").stdout == done.stdout


def test_stubs_in_a_file(folder: Path) -> None:
    shown = codemode(folder, "stubs", "--tools", "my_tools.py").stdout
    done = codemode(folder, "stubs", "--tools", "my_tools.py", "-o", "tools.pyi")
    assert (done.returncode, done.stdout) == (0, "")
    assert (folder / "tools.pyi").read_text() == shown
    done = codemode(folder, "stubs", "--tools", "my_tools.py", "-o", "no/such/folder")
    assert done.returncode == 1
    assert done.stderr.endswith("codemode: cannot write to no/such/folder: No such file or directory\n")


def test_the_list_as_a_table_and_as_json(folder: Path) -> None:
    done = codemode(folder, "list", "--tools", "my_tools.py")
    assert (done.returncode, done.stdout) == (
        0,
        (
            "NAME       PARAMETERS        DESCRIPTION\n"
            "weather    location [units]  Current weather of a city.\n"
            "read_file  path [...]        Read contents of a file\n"
        ),
    )
    weather, read_file = json.loads(codemode(folder, "list", "--tools", "my_tools.py", "--json").stdout)
    assert (weather["name"], weather["description"]) == ("weather", "Current weather of a city.")
    assert weather["input_schema"]["required"] == ["location"]
    assert weather["output_schema"]["additionalProperties"] == {"type": "number"}
    assert (read_file["is_async"], read_file["has_context"]) == (False, False)


def test_packages_files_with_neighbours_and_several_sources(folder: Path) -> None:
    shop = folder / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "prices.py").write_text("CURRENCY = 'EUR'\n")
    (shop / "tools.py").write_text(
        "from codemode import tool\nfrom shop.prices import CURRENCY\n\n"
        "@tool(description=f'Price in {CURRENCY}.')\nasync def price(item: str) -> float: ...\n"
    )
    done = codemode(folder, "list", "--tools", "shop.tools", "--tools", "my_tools.py")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAME", "price", "weather", "read_file"]
    # A file's own folder is searched first, as when Python runs it, and a name that is taken does no harm.
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "neighbour.py").write_text("WORDS = 'From next door.'\n")
    (folder / "elsewhere" / "json.py").write_text(
        "from codemode import tool\nimport neighbour\n\n@tool(description=neighbour.WORDS)\ndef near() -> None: ...\n"
    )
    done = codemode(folder, "list", "--tools", "elsewhere/json.py")
    assert "From next door." in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("registry = ComponentRegistry()\nregistry.register_tool(one)\n", ["one"]),
        ("registry = ComponentRegistry()\nregistry.register_tool(one)\nregistry = registry.scoped(['one'])\n", ["one"]),
        ("def register(registry):\n    registry.register_tool('two', one, description='2')\n", ["two"]),
        ("from atexit import register\n", ["marked"]),
        ("registry = {}\n", ["marked"]),
    ],
)
def test_what_a_source_offers(tmp_path: Path, text: str, names: list[str]) -> None:
    file = tmp_path / f"offers_{abs(hash(text))}.py"
    file.write_text(
        "from codemode import ComponentRegistry, tool\n\ndef one() -> int:\n    'One.'\n\n"
        f"@tool\ndef marked() -> int:\n    'Marked.'\n\n{text}"
    )
    assert list(load_tools([str(file)]).entries()) == names


def test_options_context_and_configuration_come_along(tmp_path: Path) -> None:
    file = tmp_path / "with_context.py"
    file.write_text(
        "from codemode import ComponentRegistry\nregistry = ComponentRegistry()\n"
        "registry.register_tool('add', lambda a, b: a + b, description='Sum.', output_schema=int, timeout=3)\n"
        "registry.set_context({'user': 'ada'})\nregistry.set_config('depth', 2)\n"
    )
    loaded = load_tools([str(file)])
    entry = loaded.entries()["add"]
    assert isinstance(loaded, ComponentRegistry)
    assert (entry.description, entry.timeout, entry.output and entry.output.json) == ("Sum.", 3, {"type": "integer"})
    context = loaded.get_context()
    assert context and context.require("user") == "ada" and loaded.get_config("depth") == 2


REFUSED = {
    "syntax": ("x = 1\ndef (\n", "bad.py, line 2: SyntaxError: invalid syntax"),
    "import": ("\nimport no_such_thing\n", "bad.py, line 2: ModuleNotFoundError: No module named 'no_such_thing'"),
    "failure": ("def f():\n    return 1 / 0\nf()\n", "bad.py, line 2: ZeroDivisionError: division by zero"),
    "elsewhere": ("import broken\n", "bad.py, line 1 (from broken.py, line 3): ValueError: no"),
    "elsewhere syntax": ("import garbled\n", "bad.py, line 1 (from garbled.py, line 1): SyntaxError: invalid syntax"),
    "library": ("import json\njson.loads('')\n", "bad.py, line 2 (from "),
    "exit": ("import sys\nsys.exit(3)\n", "bad.py, line 2: SystemExit: 3"),
    "no tools": ("x = 1\n", "bad.py has no tools: write @tool above functions, or a function register(registry)"),
    "class": (
        "from codemode import Tool\nclass Mine(Tool):\n    def execute(self): ...\n",
        "bad.py has no tools: write @tool above the class Mine, or make an instance of it",
    ),
    "async": ("async def register(registry): ...\n", "bad.py: the function register must not be async"),
    "described": (
        "from codemode import tool\n@tool\ndef f(): ...\n",
        "bad.py: tool 'f' has no description: models choose tools by it; write a docstring or pass description=…",
    ),
    "at a line": (
        "from codemode import ComponentRegistry\nregistry = ComponentRegistry()\nregistry.register_tool('a')\n",
        "bad.py, line 3: register_tool needs a tool, got 'a'; write register_tool(tool) or register_tool('name', tool)",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_loaded_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    (tmp_path / "broken.py").write_text("\n\nraise ValueError('no')\n")
    (tmp_path / "garbled.py").write_text("def (\n")
    done = codemode(tmp_path, "list", "--tools", "bad.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"codemode: {message}") and done.stderr.count("\n") == 1, done.stderr
    module = codemode(tmp_path, "list", "--tools", "bad")
    assert module.returncode == 2
    assert module.stderr == done.stderr.replace("bad.py", "bad", 1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.py", "no such file: none.py"),
        ("a/b", "no such file: a/b"),
        (".", ". is a folder; name a file in it, or a package by its dotted name"),
        ("not a module", "not a module is neither a file nor the name of a module"),
        ("my_tools.missing", "no module 'my_tools.missing': neither in "),
        ("missing.tools", "no module 'missing.tools': neither in "),
        ("notes.txt", "notes.txt is no Python file: its name does not end with .py"),
    ],
)
def test_sources_that_are_not_there(folder: Path, source: str, message: str) -> None:
    (folder / "notes.txt").write_text("x")
    done = codemode(folder, "stubs", "--tools", source)
    assert done.returncode == 2
    assert done.stderr.removeprefix("loading\n").startswith(f"codemode: {message}"), done.stderr


def test_one_name_in_two_sources(folder: Path) -> None:
    (folder / "more.py").write_text(WEATHER)
    done = codemode(folder, "list", "--tools", "my_tools.py", "--tools", "more.py")
    assert done.returncode == 2
    assert done.stderr.endswith("codemode: tool 'weather' is in my_tools.py and in more.py; a name is given once\n")


def test_names_that_are_no_identifiers_are_listed_but_have_no_stub(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("from codemode import tool\n@tool('read-file', 'Reads.')\ndef f(): ...\n")
    assert "read-file" in codemode(tmp_path, "list", "--tools", "odd.py").stdout
    done = codemode(tmp_path, "stubs", "--tools", "odd.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "read-file" in done.stderr and "identifier" in done.stderr and done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_failure(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [str(CODEMODE), "tools", "list", "--tools", "my_tools.py"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, cwd=folder, env=ENVIRONMENT)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "loading\n")
