"""What callers hand in, checked: a wrong value is named before anything runs."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from codemode._errors import ConfigError
from codemode._explain import shown

# Seconds. What is longer means the same to an executor, which has a ceiling of its own, and fits no clock.
_LONGEST = 1e9
# An executor reads numbers of bytes and calls as 64 bits; nobody means more.
_MOST = 2**63 - 1
# What no variable takes the place of; `context` and `config` are names like others.
_OWN_NAMES = frozenset({"tools", "ToolError"})
_HUGE = int(sys.float_info.max)


def seconds(value: float | None, name: str, error: type[Exception] = ConfigError) -> float | None:
    if value is None:
        return None
    if isinstance(value, int) and abs(value) > _HUGE:
        raise error(f"{name} must be a positive number of seconds, got an int that no float can hold")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise error(f"{name} must be a positive number of seconds, got {value!r}")
    return min(float(value), _LONGEST)


def count(value: int, name: str, *, least: int, what: str) -> int:
    """`what` is what the number must be, in words."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        # No int of thousands of digits has a repr.
        raise ConfigError(
            f"{name} must be {what}, got {shown(max(value, -_MOST) if isinstance(value, int) else value)}"
        )
    return min(value, _MOST)


def flag(value: bool, name: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {shown(value)}")
    return value


def word(value: str, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name} must be a name, got {shown(value)}")
    return value


def function(value: Any, name: str) -> Any:
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function, got {shown(value)}")
    return value


def names(tool_filter: Iterable[str] | None) -> list[str] | None:
    if tool_filter is None or isinstance(tool_filter, str):
        return None if tool_filter is None else [tool_filter]
    given = list(tool_filter) if isinstance(tool_filter, Iterable) else None
    if given is None:
        raise TypeError(f"tool_filter must name tools, as in ['weather'], got {type(tool_filter).__name__}")
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"tool_filter must name tools, as in ['weather']; one of its items is {shown(name)}")
    return given


def mapping(value: Mapping[str, Any] | None, name: str, what: str = "a mapping") -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} must be {what}, got {type(value).__name__}")
    return value or {}


def variables(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    for name in mapping(value, "variables", "a mapping of names to values"):
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise ConfigError(f"variables must have names that code can use, got {shown(name)}")
        if name in _OWN_NAMES or name.startswith("__"):
            raise ConfigError(f"variables cannot have {name!r}: the code finds something else under this name")
    return value or {}


def is_variable(name: Any) -> bool:
    """Whether an execution can be given it."""
    try:
        variables({name: None})
    except ConfigError:
        return False
    return True


def source(code: str | bytes) -> bytes:
    if isinstance(code, bytes):
        return code
    if not isinstance(code, str):
        raise TypeError(f"code must be str or bytes, got {type(code).__name__}")
    # Lone surrogates pass: the executor refuses what is not UTF-8, in the words it has for that.
    return code.encode("utf-8", "surrogatepass")
