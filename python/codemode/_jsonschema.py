"""Checks values against a JSON Schema that the application wrote by hand.

Only what tool schemas use; an assertion that is not implemented is refused when the tool is registered, so that no
schema is ever half enforced. `format` and annotations are for the reader, as in the specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

from codemode._explain import Path, Problem, describe, invalid, missing, resolve, unexpected

# fmt: off
_UNSUPPORTED = (
    "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties",
    "propertyNames", "contains", "unevaluatedProperties", "unevaluatedItems", "additionalItems", "$dynamicRef",
    "$recursiveRef",
)
# fmt: on
_TYPES: dict[str, Any] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and value == int(value) if _is_finite(value) else False,
    "number": lambda value: _is_number(value),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, (list, tuple)),
    "object": lambda value: isinstance(value, Mapping),
    "null": lambda value: value is None,
}


def unsupported(schema: Any) -> list[str]:
    """The keywords in it that would have to be enforced and cannot be, and types that do not exist."""
    if not isinstance(schema, Mapping):
        return []
    found = [key for key in _UNSUPPORTED if key in schema]
    kinds = schema.get("type", [])
    found += [f"type {kind!r}" for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind not in _TYPES]
    if isinstance(schema.get("$ref"), str) and not schema["$ref"].startswith("#"):
        found.append(f"$ref {schema['$ref']!r}")
    for key in ("properties", "$defs", "definitions"):
        for inner in (schema.get(key) or {}).values():
            found += unsupported(inner)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in schema.get(key) or ():
            found += unsupported(inner)
    for key in ("items", "additionalProperties", "not"):
        found += unsupported(schema.get(key))
    return list(dict.fromkeys(found))


def check(schema: Any, value: Any, root: Any, path: Path = (), noun: str = "parameter") -> list[Problem]:
    """Every problem of `value`; none means that it fits."""
    schema = resolve(schema, root)
    if schema is False:
        return [Problem(path, "not allowed")]
    if not isinstance(schema, Mapping):
        return []
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if (kinds and not any(_TYPES[kind](value) for kind in kinds)) or not _fits(schema, value, root):
        return [invalid(path, describe(schema, root), value)]
    problems = [found for branch in schema.get("allOf", ()) for found in check(branch, value, root, path, noun)]
    if isinstance(value, Mapping):
        problems += _members(schema, value, root, path, noun)
    elif isinstance(value, (list, tuple)):
        problems += _items(schema, value, root, path)
    return problems


def _fits(schema: Mapping[str, Any], value: Any, root: Any) -> bool:
    """The keywords whose violation is told in one sentence about the whole value."""
    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        return False
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if "anyOf" in schema and all(check(branch, value, root) for branch in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(not check(branch, value, root) for branch in schema["oneOf"]) != 1:
        return False
    if "not" in schema and not check(schema["not"], value, root):
        return False
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    return all(_bounds(schema, value))


def _bounds(schema: Mapping[str, Any], value: Any) -> Iterator[bool]:
    if _is_number(value):
        yield "minimum" not in schema or value >= schema["minimum"]
        yield "maximum" not in schema or value <= schema["maximum"]
        yield "exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]
        yield "exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"]
        # Decimal, because 0.3 is no multiple of 0.1 in binary.
        yield "multipleOf" not in schema or Decimal(str(value)) % Decimal(str(schema["multipleOf"])) == 0
    for kinds, unit in (((str,), "Length"), ((list, tuple), "Items"), ((Mapping,), "Properties")):
        if isinstance(value, kinds):
            yield schema.get(f"min{unit}", 0) <= len(value)
            yield len(value) <= schema.get(f"max{unit}", len(value))
    if isinstance(value, (list, tuple)) and schema.get("uniqueItems"):
        yield all(not _same(item, other) for at, item in enumerate(value) for other in value[:at])


def _members(schema: Mapping[str, Any], value: Mapping[Any, Any], root: Any, path: Path, noun: str) -> list[Problem]:
    properties = schema.get("properties", {})
    extra = schema.get("additionalProperties", True)
    problems = [
        missing((*path, name), properties.get(name), root) for name in schema.get("required", ()) if name not in value
    ]
    for name, member in value.items():
        if name in properties:
            problems += check(properties[name], member, root, (*path, name), "field")
        elif extra is False:
            problems.append(unexpected((*path, name), properties, noun))
        else:
            problems += check(extra, member, root, (*path, name), "field")
    return problems


def _items(schema: Mapping[str, Any], value: list[Any] | tuple[Any, ...], root: Any, path: Path) -> list[Problem]:
    prefix = schema.get("prefixItems", [])
    problems = []
    for at, item in enumerate(value):
        member = prefix[at] if at < len(prefix) else schema.get("items", True)
        problems += check(member, item, root, (*path, at), "field")
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, Decimal)) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and value == value and value not in (float("inf"), float("-inf"))


def _same(value: Any, other: Any) -> bool:
    # In JSON, true is not 1.
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
