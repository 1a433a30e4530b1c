"""Schemas of tools: made from type hints, pydantic models or JSON Schema, and enforced on every call."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaWarningKind

from codemode import _docstring, _jsonschema
from codemode._errors import RegistryError
from codemode._explain import Problem, describe, from_pydantic, resolve, unexpected

# What a tool may give as a schema: a pydantic model or any other type, or JSON Schema.
SchemaSource = Any


class Schema(Protocol):
    """`json` is the JSON Schema. `check` returns the value to use and every problem found."""

    @property
    def json(self) -> dict[str, Any]: ...

    def check(self, value: Any) -> tuple[Any, list[Problem]]: ...


@dataclass(frozen=True)
class HandWritten:
    """JSON Schema as the application wrote it."""

    json: dict[str, Any]

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        return value, _jsonschema.check(self.json, value, self.json)


@dataclass(frozen=True)
class Typed:
    """Any type that pydantic can validate."""

    json: dict[str, Any]
    adapter: TypeAdapter[Any]

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        try:
            return self.adapter.validate_python(value), []
        except ValidationError as error:
            return value, from_pydantic(error.errors(include_url=False), self.json, value, "field")


@dataclass(frozen=True)
class Arguments:
    """Keyword arguments, validated by a pydantic model.

    `names` maps the model's fields to the argument names. With `defaults`, fields that were not given are passed on
    too: a function knows its own defaults, but one that was written for a hand-made model may not.
    """

    json: dict[str, Any]
    model: type[BaseModel]
    names: Mapping[str, str]
    defaults: bool

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        stray = []
        if self.model.model_config.get("extra", "ignore") == "ignore":
            # pydantic would drop them in silence, and the code would believe that they took effect.
            known = {*self.json.get("properties", {}), *self.names}
            stray = [
                unexpected((name,), self.json.get("properties", {}), "parameter") for name in value if name not in known
            ]
        try:
            checked = self.model.model_validate(value)
        except ValidationError as error:
            problems = from_pydantic(error.errors(include_url=False), self.json, value, "parameter")
            return value, [*problems, *stray]
        given = self.names if self.defaults else checked.model_fields_set
        fields = {name: getattr(checked, field) for field, name in self.names.items() if field in given}
        return {**fields, **(checked.model_extra or {})}, stray


class _Plain(GenerateJsonSchema):
    """JSON Schema without pydantic's generated titles and warnings: neither tells a model anything."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def valid_parameters(schema: Mapping[str, Any]) -> list[str]:
    """`location*: str`, `units: 'metric' or 'imperial'`, …; `*` marks a required one."""
    required = schema.get("required", ())
    found = [
        f"{name}{'*' if name in required else ''}: {describe(member, schema)}"
        for name, member in schema.get("properties", {}).items()
    ]
    return [*found, "**any other"] if schema.get("additionalProperties", True) is not False else found


def input_schema(source: SchemaSource, tool: str) -> Schema:
    """From what the application gave as `input_schema`, which must describe keyword arguments."""
    if isinstance(source, type) and issubclass(source, BaseModel):
        json = _json_of(TypeAdapter(source), "validation")
        if source.model_config.get("extra") is None:
            json.setdefault("additionalProperties", False)
        return Arguments(json, source, {name: name for name in source.model_fields}, defaults=True)
    if isinstance(source, Mapping):
        schema = _hand_written(source, tool, "input_schema")
        shape = resolve(schema.json, schema.json)
        if shape.get("type", "object") != "object" or not {"type", "properties"} & set(shape):
            raise RegistryError(
                f"input_schema of tool {tool!r} must be the JSON Schema of an object "
                '({"type": "object", "properties": {…}}): code calls tools with keyword arguments'
            )
        return schema
    raise RegistryError(f"input_schema of tool {tool!r} must be a pydantic model or a JSON Schema, got {source!r}")


def output_schema(source: SchemaSource, tool: str) -> Schema:
    """From what the application gave as `output_schema`: JSON Schema, a model, or any type."""
    if isinstance(source, Mapping):
        return _hand_written(source, tool, "output_schema")
    if (schema := _typed(source)) is None:
        raise RegistryError(f"output_schema of tool {tool!r} must be a type or a JSON Schema, got {source!r}")
    return schema


def from_signature(
    signature: inspect.Signature, hints: Mapping[str, Any], doc: str | None, skip: frozenset[str]
) -> Arguments:
    """The schema of a function's keyword arguments; parameters in `skip` are not for the code to give."""
    words = _docstring.parameters(doc)
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    is_open = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
        if name in skip or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        # Field names of our own: a parameter may be called `copy`, `json` or `_x`, which pydantic reserves.
        field = f"p{len(names)}"
        names[field] = name
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[field] = (
            _parameter_type(hints.get(name, Any)),
            Field(default, alias=name, description=words.get(name)),
        )
    config = ConfigDict(extra="allow" if is_open else "forbid", arbitrary_types_allowed=True)
    model = create_model("Arguments", __config__=config, **fields)
    return Arguments(_json_of(TypeAdapter(model), "validation"), model, names, defaults=False)


def from_return(hint: Any) -> Schema | None:
    """The schema of a return annotation; none where it promises nothing that can be checked."""
    lazy = (collections.abc.Iterator, collections.abc.AsyncIterator, collections.abc.Awaitable)
    origin = typing.get_origin(hint) or hint
    if hint is Any or hint is None or hint is type(None) or hint is inspect.Signature.empty:
        return None
    if origin is collections.abc.Iterable or (isinstance(origin, type) and issubclass(origin, lazy)):
        return None
    return _typed(hint)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Evaluated type hints. One that cannot be evaluated is left out without costing the others theirs."""
    function = inspect.unwrap(function)
    found = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        holder = type("Holder", (), {"__annotations__": {name: hint}})
        try:
            found.update(typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True))
        except Exception:  # evaluating a string runs arbitrary names of the application
            continue
    return found


def _hand_written(source: Mapping[str, Any], tool: str, what: str) -> HandWritten:
    if unknown := _jsonschema.unsupported(source):
        raise RegistryError(f"{what} of tool {tool!r} uses what cannot be enforced: {', '.join(unknown)}")
    return HandWritten(dict(source))


def _parameter_type(hint: Any) -> Any:
    """The hint if it can be validated and described, else anything."""
    if typing.get_origin(hint) is collections.abc.Iterable:
        # pydantic hands out a lazy iterator for it, which tools do not expect; what comes over the wire is a list.
        (item,) = typing.get_args(hint)
        hint = list[item]  # type: ignore[valid-type]
    return hint if _typed(hint) else Any


def _typed(hint: Any) -> Typed | None:
    try:
        adapter = TypeAdapter(hint)
        try:
            return Typed(_json_of(adapter, "serialization"), adapter)
        except Exception:
            return Typed(_json_of(adapter, "validation"), adapter)
    except Exception:  # pydantic has many ways to say that it knows nothing of a type
        return None


def _json_of(adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> dict[str, Any]:
    schema = adapter.json_schema(schema_generator=_Plain, mode=mode)
    schema.pop("title", None)
    return schema
