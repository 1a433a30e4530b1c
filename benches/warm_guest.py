"""The Python half of Codemode's guest in this process, as its zygote has it, but with nothing around it."""

from __future__ import annotations

import gc
import importlib
import re
import sys
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).resolve().parent.parent / "crates" / "codemode-guest" / "src" / "python.rs"
INCLUDED = re.compile(r'\("(_codemode[\w.]*)", include_str!\("([\w./]+)"\)\)')


class Importer:
    """For exactly the modules that the guest carries."""

    def __init__(self) -> None:
        self.sources = {name: SOURCES.parent / path for name, path in INCLUDED.findall(SOURCES.read_text())}
        assert "_codemode.runner" in self.sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name in self.sources:
            return ModuleSpec(name, self, is_package=name == "_codemode")  # type: ignore[arg-type]
        return None

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.sources[module.__name__].read_text(), module.__name__, "exec"), module.__dict__)


ECHO = {
    "name": "echo",
    "description": "",
    "input_schema": b'{"properties": {"text": {"type": "string"}}}',
    "output_schema": None,
    "is_async": False,
    "has_context": False,
}


class Bridge:
    """What the runner gets its code from and gives its answer to, with the one tool that it rehearses with."""

    roots = ()

    def __init__(self, code: str, tools: Sequence[Mapping[str, Any]] = (ECHO,)) -> None:
        self.code = code
        self.tools = tools
        self.answer: bytes | None = None

    def start(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "filename": "warm.py",
            "tools": self.tools,
            "context": b"",
            "config": b"",
            "allow_direct_execution": True,
            "allowed_commands": (),
            "result_bytes": 1 << 20,
            "value_bytes": 1 << 20,
            "check_tools": True,
            "variables": b"",
            "keep_variables": False,
            "bare_tools": False,
        }

    def send_call(self, name: str, arguments: bytes) -> int:
        return 1

    def recv(self) -> tuple[int, bool, bytes]:
        return 1, True, b'{"text": "hi"}'

    def finish(self, kind: str, exit_code: int, result: bytes | None, *_: object) -> None:
        self.answer = result

    def violation(self, kind: str, detail: str) -> None:
        raise AssertionError(detail)


def prepare(modules: list[str]) -> types.ModuleType:
    """The runner, after everything that the zygote does before its first fork."""
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)
    sys.meta_path.insert(0, Importer())
    runner = importlib.import_module("_codemode.runner")
    runner.warm(Bridge)
    gc.collect()
    gc.freeze()
    return runner
