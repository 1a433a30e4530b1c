"""Says what is wrong with a value: which part, what was expected, what came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codemode._errors import did_you_mean, nearest

Path = tuple["str | int", ...]

_WORDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "null": "None",
}
_MISSING = object()


@dataclass(frozen=True)
class Problem:
    """`near` are the names that the code may have meant."""

    path: Path
    text: str
    near: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{render_path(self.path)}: {self.text}" if self.path else self.text


def missing(path: Path, schema: Any, root: Any) -> Problem:
    return Problem(path, f"required, but missing ({describe(schema, root)})")


def unexpected(path: Path, known: Iterable[str], noun: str) -> Problem:
    near = nearest(str(path[-1]), known)
    return Problem(path, f"no such {noun}" + (f", {did_you_mean(near)}" if near else ""), tuple(near))


def invalid(path: Path, expected: str, value: Any) -> Problem:
    return Problem(path, f"expected {expected}, got {shown(value)}")


def sentence(problems: Sequence[Problem]) -> str:
    """All of them in one line: the sandbox shows a tool's failure as one paragraph."""
    return "; ".join(map(str, problems))


def render_path(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def shown(value: Any) -> str:
    """Type and a glimpse of a value, short enough for an error."""
    if value is None:
        return "None"
    kind = type(value).__name__
    if isinstance(value, (str, bytes, int, float)):
        text = repr(value)
        return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"
    return f"{kind} of {len(value)}" if isinstance(value, (list, tuple, dict, set)) else kind


def describe(schema: Any, root: Any) -> str:
    """What a JSON Schema allows, in Python's words: `int from 1 to 9`, `list of str`, `'low' or 'high'`."""
    schema = resolve(schema, root)
    if not isinstance(schema, Mapping):
        return "anything"
    for key in ("enum", "const"):
        if key in schema:
            return " or ".join(repr(choice) for choice in (schema[key] if key == "enum" else [schema[key]]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(describe(branch, root) for branch in schema[key]))
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return describe(schema["allOf"][0], root)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = " or ".join(_WORDS.get(kind, kind) for kind in kinds) or "anything"
    return words + _details(schema, kinds, root)


def _details(schema: Mapping[str, Any], kinds: Sequence[str], root: Any) -> str:
    text = f" of {describe(schema['items'], root)}" if "array" in kinds and schema.get("items") else ""
    if schema.get("format", "password") != "password":  # pydantic's word for a secret string
        text += f" ({schema['format']})"
    if "pattern" in schema:
        text += f" matching {schema['pattern']!r}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        text += f" from {low} to {high}"
    else:
        text += f" >= {low}" if low is not None else f" <= {high}" if high is not None else ""
    for key, sign in (("exclusiveMinimum", ">"), ("exclusiveMaximum", "<"), ("multipleOf", "multiple of")):
        text += f" {sign} {schema[key]}" if key in schema else ""
    for key, unit in (("Length", "characters"), ("Items", "items"), ("Properties", "entries")):
        text += f" with at least {schema['min' + key]} {unit}" if "min" + key in schema else ""
        text += f" with at most {schema['max' + key]} {unit}" if "max" + key in schema else ""
    return text


def resolve(schema: Any, root: Any) -> Any:
    """Follows local `$ref`s; a cycle ends where it began."""
    for _ in range(32):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            return schema
        target: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            target = target.get(step, {}) if isinstance(target, Mapping) and step else target
        schema = target
    return schema


def step_into(schema: Any, step: str | int, root: Any) -> Any:
    """The schema of one member, `_MISSING` where the schema does not say."""
    schema = resolve(schema, root)
    if not isinstance(schema, Mapping):
        return _MISSING
    if isinstance(step, int):
        prefix = schema.get("prefixItems", [])
        found = prefix[step] if step < len(prefix) else schema.get("items", _MISSING)
    else:
        found = schema.get("properties", {}).get(step, schema.get("additionalProperties", _MISSING))
    if isinstance(found, Mapping):
        return found
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        if (inner := step_into(branch, step, root)) is not _MISSING:
            return inner
    return _MISSING


def from_pydantic(errors: Iterable[Mapping[str, Any]], schema: Any, value: Any, noun: str) -> list[Problem]:
    """pydantic's findings in our words; its own texts and its names for union branches never show."""
    problems: dict[Path, Problem] = {}
    for error in errors:
        path, kind = tuple(error["loc"]), error["type"]
        if kind in ("missing", "missing_argument"):
            problem = missing(path, _at(schema, path)[0], schema)
        elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
            parent = resolve(_at(schema, path[:-1])[0], schema)
            known = parent.get("properties", {}) if isinstance(parent, Mapping) else {}
            problem = unexpected(path, known, noun if len(path) == 1 else "field")
        else:
            found, depth = _at(schema, path)
            path = path[:depth]
            cause = error.get("ctx", {}).get("error") if kind in ("value_error", "assertion_error") else None
            given = _given(value, path)
            given = error["input"] if given is _MISSING else given
            # The words of a validator that the application wrote are its own.
            if cause is None:
                problem = invalid(path, describe(found, schema), given)
            else:
                problem = Problem(path, str(cause) if isinstance(given, Mapping) else f"{cause}, got {shown(given)}")
        problems.setdefault(problem.path, problem)
    return list(problems.values())


def _at(schema: Any, path: Path) -> tuple[Any, int]:
    """The schema at a path, and how many of its steps exist in it."""
    found = schema
    for depth, step in enumerate(path):
        inner = step_into(found, step, schema)
        if inner is _MISSING:
            return found, depth
        found = inner
    return found, len(path)


def _given(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return value
