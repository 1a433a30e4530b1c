"""Schemas of tools: made from type hints, pydantic models or JSON Schema, and enforced on every call."""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaWarningKind

from codemode import _values
from codemode._docstring import Docstring, Documented
from codemode._doctypes import hint_of
from codemode._errors import RegistryError
from codemode._explain import Problem, describe, from_pydantic, resolve, unexpected

if TYPE_CHECKING:
    from codemode._native import NativeSchema

# What a tool may give as a schema: a pydantic model or any other type, or JSON Schema.
SchemaSource = Any


class Schema(Protocol):
    """`json` is the JSON Schema. `check` returns the value to use and every problem found."""

    @property
    def json(self) -> dict[str, Any]: ...

    def check(self, value: Any) -> tuple[Any, list[Problem]]: ...


@dataclass(frozen=True)
class HandWritten:
    """JSON Schema as the application wrote it. Values pass unchanged: it is asked about what crosses the wire."""

    json: dict[str, Any]
    native: NativeSchema

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        data, _ = _values.encode(value, reprs=False)
        return value, [Problem(tuple(path), words, tuple(near)) for path, words, near in self.native.check(data)]


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

    @cached_property
    def _known(self) -> frozenset[str] | None:
        """The only names there are; `None`: the model takes others, or says itself what it thinks of them."""
        if self.model.model_config.get("extra", "ignore") != "ignore" or _is_rewritten(self.model):
            return None
        return frozenset({*self.json.get("properties", {}), *self.names})

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        known, stray = self._known, []
        if known is not None and not known.issuperset(value):
            # pydantic would drop them in silence, and the code would believe that they took effect.
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
    return [*found, "**any other"] if is_open(schema) else found


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether it takes parameters that it does not name."""
    return schema.get("additionalProperties", True) is not False


def input_schema(source: SchemaSource, tool: str, *, by_alias: bool = False) -> Schema:
    """From what the application gave as `input_schema`, which must describe keyword arguments.

    `by_alias`: the tool is given arguments by the names that code gives, else by those of the model's fields.
    """
    if isinstance(source, type) and issubclass(source, BaseModel):
        json = _json_of(TypeAdapter(source), "validation")
        if _is_rewritten(source):
            json.pop("required", None)
        elif _has_two_names(source):
            renamed = {field.alias for field in source.model_fields.values()}
            json["required"] = [name for name in json.get("required", ()) if name not in renamed]
        elif source.model_config.get("extra") is None:
            json.setdefault("additionalProperties", False)
        names = {name: (_alias(field) if by_alias else None) or name for name, field in source.model_fields.items()}
        return Arguments(json, source, names, defaults=True)
    if isinstance(source, Mapping):
        schema = _hand_written(source, tool, "input_schema")
        if not _describes_object(schema.json, schema.json):
            raise RegistryError(
                f"input_schema of tool {tool!r} must be the JSON Schema of an object "
                '({"type": "object", "properties": {…}}): code calls tools with keyword arguments'
            )
        return schema
    raise RegistryError(f"input_schema of tool {tool!r} must be a pydantic model or a JSON Schema, got {source!r}")


# The schema is also what calls are held to before the code runs, so it must not claim more than the model does.


def _is_rewritten(model: type[BaseModel]) -> bool:
    """Whether a validator sees the arguments before the fields do: it may add some, rename some, take some away."""
    validators = model.__pydantic_decorators__.model_validators.values()
    return any(validator.info.mode in ("before", "wrap") for validator in validators)


def _alias(field: FieldInfo) -> str | None:
    return field.validation_alias if isinstance(field.validation_alias, str) else field.alias


def _has_two_names(model: type[BaseModel]) -> bool:
    """Whether some field may be given by its own name and by its alias; the schema has one of them."""
    config = model.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    return bool(by_name) and any(field.alias is not None for field in model.model_fields.values())


def output_schema(source: SchemaSource, tool: str) -> Schema:
    """From what the application gave as `output_schema`: JSON Schema, a model, or any type."""
    if isinstance(source, Mapping):
        return _hand_written(source, tool, "output_schema")
    if (schema := _typed(source)) is None:
        raise RegistryError(f"output_schema of tool {tool!r} must be a type or a JSON Schema, got {source!r}")
    return schema


def from_signature(
    signature: inspect.Signature, hints: Mapping[str, Any], doc: Docstring, skip: frozenset[str]
) -> Arguments:
    """The schema of a function's keyword arguments; parameters in `skip` are not for the code to give."""
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
        documented = doc.parameters.get(name, Documented())
        hint = _documented_type(parameter, documented) if parameter.annotation is parameter.empty else hints.get(name)
        fields[field] = (
            Any if hint is None else _parameter_type(hint),
            Field(default, alias=name, description=documented.description or None),
        )
    config = ConfigDict(extra="allow" if is_open else "forbid", arbitrary_types_allowed=True)
    model = create_model("Arguments", __config__=config, **fields)
    return Arguments(_json_of(TypeAdapter(model), "validation"), model, names, defaults=False)


def from_documented_return(doc: Docstring) -> Schema | None:
    """The schema of a result of which only the docstring tells; none where that is no simple type."""
    return from_return(hint_of(doc.returns))


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


def open_object() -> Arguments:
    """Takes any keyword arguments."""
    anything = inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)
    return from_signature(inspect.Signature([anything]), {}, Docstring("", {}, ""), frozenset())


def _hand_written(source: Mapping[str, Any], tool: str, what: str) -> HandWritten:
    # Imported late: most applications write no JSON Schema, and registering a tool need not load the native client.
    native = importlib.import_module("codemode._native")
    try:
        text = json.dumps(dict(source), allow_nan=False, ensure_ascii=False).encode()
        return HandWritten(json.loads(text), native.NativeSchema(text))
    except native.NativeError as error:
        problem = error.args[1]
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"it is not JSON ({error})"
    raise RegistryError(f"{what} of tool {tool!r} cannot be enforced: {problem}")


def _describes_object(schema: Any, root: Any) -> bool:
    """Whether a schema says that what fits it is an object, or at least names an object's members."""
    schema = resolve(schema, root)
    if not isinstance(schema, Mapping):
        return False
    if "type" in schema:
        return "object" in ([schema["type"]] if isinstance(schema["type"], str) else schema["type"])
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if branches:
        return all(_describes_object(branch, root) for branch in branches)
    return "properties" in schema or any(_describes_object(branch, root) for branch in schema.get("allOf", ()))


def _documented_type(parameter: inspect.Parameter, documented: Documented) -> Any:
    """The type of a parameter that has no hint, as its docstring tells."""
    hint = hint_of(documented.type)
    return hint if hint is None or parameter.default is not None else Optional[hint]  # noqa: UP045


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
