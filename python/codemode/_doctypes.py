"""The types that docstrings name, as far as they are simple: `str`, `list[int]`, `int, optional`, `{'a', 'b'}`."""

from __future__ import annotations

import ast
import re
from typing import Any, Literal, Union, get_args, get_origin

_NAMES: dict[str, Any] = {
    "str": str,
    "string": str,
    "int": int,
    "integer": int,
    "float": float,
    "number": int | float,
    "bool": bool,
    "boolean": bool,
    "list": list,
    "List": list,
    "dict": dict,
    "Dict": dict,
    "Any": Any,
    "None": None,
}
_LONGEST = 500
# `int, optional`, `str, default 'x'`, `float, defaults to 1.0`: says nothing about the type.
_AFTER = re.compile(r"(?:^|[,;]\s*|\s+)(?:optional|required|keyword-only|defaults?(?:\s+to\b|\s*[=:])?\s*\S.*)$")
_LIST_OF = re.compile(r"\blists? of (\w+)\b")


def hint_of(text: str) -> Any | None:
    """The type as a hint; None where it is more than a simple type, or prose."""
    for _ in range(2):
        text = _AFTER.sub("", text.strip().strip("`"))
    if not text or len(text) > _LONGEST:
        return None
    text = re.sub(r"^one of\s+", "", _LIST_OF.sub(r"list[\1]", text))
    text = re.sub(r"\s+or\s+(?=[\w'\"])", " | ", text)
    try:
        found = _hint(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return None if found is Any else found


def _hint(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Constant(value=None):
            return None
        case ast.Constant() | ast.Set() | ast.Tuple():
            return Literal[_choices(node)]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _either(_hint(left), _hint(right))
        case ast.Subscript(value=value, slice=inner):
            return _generic(value, inner)
    raise ValueError("not a simple type")


def _generic(value: ast.expr, inner: ast.expr) -> Any:
    members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    match value:
        case ast.Name(id="Literal"):
            return Literal[_choices(inner)]
        case ast.Name(id="Optional") if len(members) == 1:
            return _union(_hint(inner), None)
        case ast.Name(id="Union"):
            return _union(*map(_hint, members))
        case ast.Name(id="list" | "List") if len(members) == 1:
            return list[_hint(inner)]  # type: ignore[misc]
        case ast.Name(id="dict" | "Dict") if len(members) == 2:
            return dict[_hint(members[0]), _hint(members[1])]  # type: ignore[misc]
    raise ValueError("not a simple type")


def _either(left: Any, right: Any) -> Any:
    if get_origin(left) is Literal and get_origin(right) is Literal:  # `'a' or 'b'` is one enumeration
        choices = (*get_args(left), *get_args(right))
        return Literal[choices]
    return _union(left, right)


def _union(*members: Any) -> Any:
    return Union[members]  # noqa: UP007


def _choices(node: ast.expr) -> tuple[Any, ...]:
    """The values of an enumeration, in its order: text, integers, booleans, None."""
    members = node.elts if isinstance(node, (ast.Set, ast.Tuple)) else [node]
    choices = tuple(ast.literal_eval(member) for member in members)
    if not choices or not all(choice is None or isinstance(choice, (str, int)) for choice in choices):
        raise ValueError("not an enumeration")
    return choices
