"""What `codemode tools` runs: the tools of files and modules, as stubs or as a list. And `codemode run --tools`, which
has them served.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codemode._errors import RegistryError
from codemode._registry import ComponentRegistry
from codemode._schema import is_open
from codemode._tool import ToolEntry
from codemode._tool_modules import ToolModuleError, load_tools
from codemode._tools_serve import serve

EXIT_OUTPUT = 1
EXIT_TOOLS = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    sys.path.insert(0, os.getcwd())
    try:
        return int(given.run(given))
    except (ToolModuleError, RegistryError) as error:
        return _fail(str(error), EXIT_TOOLS)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _serve(given: argparse.Namespace) -> int:
    serve(given.tools, given.tool_filter)
    return 0


def _show(given: argparse.Namespace) -> int:
    text = given.render(load_tools(given.tools), given)
    try:
        if given.output:
            Path(given.output).write_text(text, encoding="utf-8")
        else:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
    except BrokenPipeError:  # a reader that left early, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return _fail(f"cannot write to {given.output or 'stdout'}: {error.strerror}", EXIT_OUTPUT)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"codemode: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    """The `codemode` command has checked what it passes on; the help is its own."""
    parser = argparse.ArgumentParser(prog="codemode tools", add_help=False)
    commands = parser.add_subparsers(required=True)
    for name, run, render in (("stubs", _show, _stubs), ("list", _show, _list), ("serve", _serve, None)):
        command = commands.add_parser(name, add_help=False)
        command.add_argument("--tools", action="append", required=True)
        command.add_argument("--tool-filter", action="append", default=[])
        command.add_argument("--output")
        command.add_argument("--json", action="store_true")
        command.set_defaults(run=run, render=render)
    return parser


def _stubs(registry: ComponentRegistry, given: argparse.Namespace) -> str:
    return registry.describe()


def _list(registry: ComponentRegistry, given: argparse.Namespace) -> str:
    entries = registry.entries().values()
    if given.json:
        return json.dumps([_document(entry) for entry in entries], indent=2, ensure_ascii=False) + "\n"
    return _table([("NAME", "PARAMETERS", "DESCRIPTION"), *map(_row, entries)])


def _document(entry: ToolEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": entry.description,
        "input_schema": entry.input.json,
        "output_schema": entry.output.json if entry.output else None,
        "is_async": entry.form.is_async,
        "has_context": entry.form.has_context,
    }


def _row(entry: ToolEntry) -> tuple[str, str, str]:
    schema = entry.input.json
    required = schema.get("required", ())
    names = [name if name in required else f"[{name}]" for name in schema.get("properties", {})]
    if is_open(schema):
        names.append("[...]")
    return entry.name, " ".join(names), entry.description.strip().splitlines()[0]


def _table(rows: list[tuple[str, str, str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{name:{widths[0]}}  {parameters:{widths[1]}}  {words}\n" for name, parameters, words in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
