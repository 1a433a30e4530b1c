"""What `@tool` leaves on a function or class."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Any, TypeVar

_ATTRIBUTE = "__codemode_tool__"
_T = TypeVar("_T")


@dataclass(frozen=True)
class ToolOptions:
    """What the application said about a tool; None where it said nothing."""

    name: str | None = None
    description: str | None = None
    input_schema: Any = None
    output_schema: Any = None
    timeout: float | None = None
    approval: Any = None

    def over(self, other: ToolOptions) -> ToolOptions:
        """These options, completed by others."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return ToolOptions(**{key: getattr(other, key) if value is None else value for key, value in said.items()})


def mark(target: _T, options: ToolOptions) -> _T:
    if not callable(target):
        raise TypeError(f"@tool goes on a function or a class, not on {target!r}")
    setattr(target, _ATTRIBUTE, options)
    return target


def options_of(target: Any) -> ToolOptions | None:
    """The options of something decorated, or of an instance of a decorated class (not of a subclass)."""
    if isinstance(target, type):
        return target.__dict__.get(_ATTRIBUTE)
    own = getattr(target, "__dict__", {}).get(_ATTRIBUTE)
    found: ToolOptions | None = own or type(target).__dict__.get(_ATTRIBUTE)
    return found


def bounds_of(target: Any) -> ToolOptions:
    """Timeout and approval of what a tool is made of: a decorated base class, the function of a partial. Whoever makes
    another tool of it has not said that it may do more.
    """
    while isinstance(target, partial):
        target = target.func
    found = ToolOptions()
    for part in (target, *(target if isinstance(target, type) else type(target)).__mro__):
        said = getattr(part, "__dict__", {}).get(_ATTRIBUTE)
        if isinstance(said, ToolOptions):
            found = found.over(ToolOptions(timeout=said.timeout, approval=said.approval))
    return found
