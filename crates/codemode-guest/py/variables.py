"""The names that code finds in `__main__` because the application put them there, and those it leaves behind."""

from __future__ import annotations

import builtins
import keyword
import types

from . import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .tools import Tools

# What only this process can have: nobody expects a value of it elsewhere.
_CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
# They have these names in every execution, so no variable can.
_TAKEN = frozenset({"tools", "ToolError"})
_kind_of = type.__dict__["__name__"].__get__  # a metaclass may have another word for it, or none
_NAMED = 20  # in the warning
_LONGEST = 60  # characters of a name in it


def given(data: bytes) -> dict[str, Any]:
    """Raises a ValueError if it is no mapping of names."""
    decoded = values.decode(data) if data else {}
    if not isinstance(decoded, dict) or not all(isinstance(name, str) and name.isidentifier() for name in decoded):
        raise ValueError("variables are a mapping of identifiers to values")
    return {_normal(name): value for name, value in decoded.items()}


def functions(tools: Tools) -> dict[str, Any]:
    """The tools that can be called by their bare names without taking a name from the language."""
    return {
        name: tools[name]
        for name in tools
        if name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name)
    }


def kept(namespace: Mapping[str, Any], own: Mapping[str, Any], room: int) -> tuple[bytes, list[str]]:
    """The mapping as tagged JSON, and a warning that names what is not in it."""
    parts: list[bytes] = []
    left: list[str] = []
    for name, value in list(namespace.items()):
        if type(name) is not str or name.startswith("_") or not name.isidentifier():
            continue
        if name in own and value is own[name]:
            continue
        key = f'"{name}":'.encode()
        data = _carried(value, room - len(key) - 3) if _can_be_given(name) else None
        if data is None:
            left.append(f"{name[:_LONGEST]} ({_kind_of(type(value))[:_LONGEST]})")
            continue
        parts.append(key + data)
        room -= len(key) + len(data) + 1
    return b"{" + b",".join(parts) + b"}", _warning(left)


def _carried(value: Any, room: int) -> bytes | None:
    """None where it would arrive as something else, or not at all."""
    try:
        if isinstance(value, _CODE):
            return None
        data, changed = values.encode(value, max_bytes=max(room, 0), root="variables")
    except Exception:  # noqa: BLE001 too large, or user code in there that fails
        return None
    return None if changed else data


def _can_be_given(name: str) -> bool:
    """To a later execution, where code finds it under this name."""
    return name not in _TAKEN and not keyword.iskeyword(name) and name == _normal(name)


def _normal(name: str) -> str:
    """As the compiler writes it: `µ` has two forms, and code knows one."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def _warning(left: list[str]) -> list[str]:
    if not left:
        return []
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return [f"these names are not kept: {', '.join(left[:_NAMED])}{more}"]
