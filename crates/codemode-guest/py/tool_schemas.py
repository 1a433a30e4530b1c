"""What a tool's input schema says for certain, and the words for calls that do not fit it."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_MOST_NAMES = 30
_LONG_NAME = 80


class Parameters:
    """`names` in the order of positions, None where the schema names none. `closed`: there can be no others.
    `readable` False: nothing is known."""

    __slots__ = ("closed", "names", "readable", "required", "tool")

    def __init__(self, tool: str, schema: bytes | None) -> None:
        self.tool = tool
        self.readable = True
        read: Any = None
        try:
            read = json.loads(schema) if schema else None
        except (ValueError, RecursionError):
            self.readable = False
        shape: dict[str, Any] = read if isinstance(read, dict) else {}
        found = shape.get("properties")
        properties: dict[str, Any] = found if isinstance(found, dict) else {}
        self.names = list(properties) if isinstance(found, dict) else None
        # What stands beside a `$ref` counts in some dialects of JSON Schema and not in others.
        plain = self.names is not None and "$ref" not in shape
        self.closed = plain and shape.get("additionalProperties") is False and "patternProperties" not in shape
        required = shape.get("required")
        self.required = [
            name
            for name in (self.names or ())
            if plain and isinstance(required, list) and name in required and not _has_default(properties[name])
        ]

    def unknown(self, name: str) -> str:
        problem = f"tool {shown(self.tool)} has no parameter {shown(name)}"
        return advised(problem, nearest(name, self.names or ()), self._valid())

    def missing(self, names: list[str]) -> str:
        return f"tool {shown(self.tool)} needs {' and '.join(map(shown, names))}; {self._valid()}"

    def too_many(self, given: int) -> str:
        most = len(self.names or ())
        return f"tool {shown(self.tool)} takes at most {most} arguments, {given} are given; {self._valid()}"

    def twice(self, name: str) -> str:
        return f"tool {shown(self.tool)} gets {shown(name)} both by position and by keyword; {self._valid()}"

    def nameless(self) -> str:
        return f"pass arguments by keyword: tool {shown(self.tool)} does not declare the names of its parameters"

    def _valid(self) -> str:
        if not self.names:
            return "it has no parameters"
        marked = [f"{name}*" if name in self.required else name for name in self.names]
        return f"valid parameters: {listed(marked)}{' (* = required)' if self.required else ''}"


def advised(problem: str, near: list[str], rest: str) -> str:
    meant = f"did you mean {' or '.join(map(shown, near))}? " if near else ""
    return f"{problem}; {meant}{rest}"


def nearest(name: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # only programs with a problem pay for it

    return get_close_matches(name, known, n=3) if len(name) <= _LONG_NAME else []


def shown(name: str) -> str:
    return repr(name if len(name) <= _LONG_NAME else f"{name[:_LONG_NAME]}…")


def listed(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - _MOST_NAMES
    return ", ".join(every[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _has_default(schema: Any) -> bool:
    """Or may have one: whoever validates may fill it in."""
    return not isinstance(schema, dict) or "default" in schema or "$ref" in schema
