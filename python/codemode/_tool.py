"""A registered tool: one shape for all that an application may hand in."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from codemode import _checks, _docstring, _schema
from codemode._context import RuntimeContext
from codemode._docstring import Docstring
from codemode._errors import RegistryError
from codemode._explain import Problem, sentence
from codemode._form import Form, signature_of
from codemode._forms import form_of
from codemode._gate import Gate, gate_for
from codemode._marker import ToolOptions, bounds_of, options_of
from codemode.tools import Tool

if TYPE_CHECKING:
    from codemode._native import RawToolSpec


class InvalidArguments(Exception):
    """What the code gave does not fit the tool's input schema."""

    def __init__(self, entry: ToolEntry, problems: list[Problem]) -> None:
        super().__init__(f"invalid arguments for tool {entry.name!r}: {sentence(problems)}")
        self.valid_parameters = _schema.valid_parameters(entry.input.json)
        self.suggestions = list(dict.fromkeys(name for problem in problems for name in problem.near))


class InvalidResult(Exception):
    """What the tool returned does not fit its own output schema: the application's fault, told to the code."""


@dataclass(frozen=True)
class ToolEntry:
    """`component` is the object as it was registered (an instance where a class was)."""

    name: str
    description: str
    component: Any
    form: Form
    input: _schema.Schema
    output: _schema.Schema | None
    timeout: float | None
    gate: Gate | None

    def arguments(self, given: Mapping[str, Any]) -> Any:
        """The arguments, validated."""
        checked, problems = self.input.check(given)
        if problems:
            raise InvalidArguments(self, problems)
        return checked

    def call(self, arguments: Mapping[str, Any], context: RuntimeContext) -> Any:
        """Validates the arguments and runs the tool; an awaitable for an async one."""
        return self.form.call(self.arguments(arguments), context)

    def checked(self, value: Any) -> Any:
        """The tool's result, validated."""
        if self.output is None:
            return value
        value, problems = self.output.check(value)
        if problems:
            raise InvalidResult(
                f"tool {self.name!r} returned what its output schema does not allow: {sentence(problems)}"
            )
        return value

    @cached_property
    def spec(self) -> RawToolSpec:
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": _json(self.input.json),
            "output_schema": _json(self.output.json) if self.output else None,
            "is_async": self.form.is_async,
            "has_context": self.form.has_context,
            "timeout": self.timeout,
        }


def make_entry(component: Any, options: ToolOptions, *, reserved: bool = False) -> ToolEntry:
    """From any accepted tool. What is said here wins over the decorator, and that over the object's attributes."""
    options = options.over(options_of(component) or ToolOptions())
    if isinstance(component, type):
        component = _instance(component)
    form = form_of(component)
    options = options.over(_attributes(component)).over(bounds_of(component))
    name = _checked_name(options.name if options.name is not None else _default_name(component), reserved)
    described = form.function.func if isinstance(form.function, partial) else form.function
    doc = _docstring.parse(_doc_of(component, described))
    input_schema = _input(name, form, options, described, doc)
    return ToolEntry(
        name,
        _described(name, options, doc),
        component,
        form,
        input_schema,
        _output(name, form, options, described, doc),
        _checks.seconds(options.timeout, f"timeout of tool {name!r}", RegistryError),
        gate_for(options.approval, name, input_schema, signature_of(form.function)),
    )


def _doc_of(component: Any, described: Any) -> str | None:
    # Not `inspect.getdoc`: where a method says nothing it answers with the base class's words.
    own: str | None = getattr(described, "__doc__", None)
    if own or not inspect.ismethod(described):
        return own
    text = type(component).__doc__
    # Where a data class says nothing, `dataclass` writes its fields there.
    is_made = dataclasses.is_dataclass(component) and (text or "").startswith(f"{type(component).__name__}(")
    return None if is_made else text


def _described(name: str, options: ToolOptions, doc: Docstring) -> str:
    description = options.description if options.description is not None else doc.summary
    if not isinstance(description, str):
        raise RegistryError(f"the description of tool {name!r} must be text, got {description!r}")
    if not description.strip():
        stripped = " (python -OO removes docstrings)" if sys.flags.optimize > 1 else ""
        raise RegistryError(
            f"tool {name!r} has no description: models choose tools by it; "
            f"write a docstring or pass description=…{stripped}"
        )
    return description


def _input(name: str, form: Form, options: ToolOptions, described: Any, doc: Docstring) -> _schema.Schema:
    if options.input_schema is not None:
        return _schema.input_schema(options.input_schema, name)
    if form.schema is not None:
        # The object validates for itself, so it is given what a caller would give.
        return _schema.input_schema(form.schema, name, by_alias=True)
    signature = signature_of(form.function)
    if signature is None:
        return _schema.open_object()
    return _schema.from_signature(signature, _schema.hints_of(described), doc, form.hidden)


def _output(name: str, form: Form, options: ToolOptions, described: Any, doc: Docstring) -> _schema.Schema | None:
    source = options.output_schema if options.output_schema is not None else form.output
    if source is not None:
        return _schema.output_schema(source, name)
    if form.schema is not None:
        # Tools written for other frameworks annotate `-> str` and return what they like; nothing enforced it there.
        return None
    if "return" not in getattr(inspect.unwrap(described), "__annotations__", {}):
        return _schema.from_documented_return(doc)
    return _schema.from_return(_schema.hints_of(described).get("return"))


def _instance(cls: type) -> Any:
    if inspect.isabstract(cls):
        absent = ", ".join(sorted(cls.__abstractmethods__))  # type: ignore[attr-defined]
        raise RegistryError(f"{cls.__name__} cannot be a tool yet: it does not define {absent}")
    signature = signature_of(cls)
    try:
        if signature:
            signature.bind()
    except TypeError as problem:
        raise RegistryError(f"{cls.__name__} is a class; register an instance of it ({problem})") from None
    return cls()


def _attributes(component: Any) -> ToolOptions:
    if inspect.isroutine(component) or isinstance(component, partial):
        return ToolOptions()
    name, description = getattr(component, "name", None), getattr(component, "description", None)
    schemas: list[Any] = [None, None]
    if not hasattr(component, "invoke"):  # LangChain's attributes of these names describe something else
        schemas = [_schema_attribute(component, key) for key in ("input_schema", "output_schema")]
    return ToolOptions(
        name if isinstance(name, str) and name else None,
        description if isinstance(description, str) and description else None,
        *schemas,
        # Elsewhere these names mean something else.
        *((component.timeout, component.approval) if isinstance(component, Tool) else ()),
    )


def _schema_attribute(component: Any, key: str) -> Any:
    found = getattr(component, key, None)
    is_schema = isinstance(found, Mapping) or (isinstance(found, type) and issubclass(found, BaseModel))
    return found if is_schema or isinstance(component, Tool) else None


def _default_name(component: Any) -> str:
    while isinstance(component, partial):
        component = component.func
    if inspect.isroutine(component):
        if component.__name__ == "<lambda>":
            raise RegistryError("a lambda has no name of its own; pass one: register_tool('name', lambda …)")
        return component.__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(component).__name__).lower()


def _checked_name(name: Any, reserved: bool) -> str:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise RegistryError(f"a tool's name must be non-empty, printable text, got {name!r}")
    if name.startswith("__") and name.endswith("__") and not reserved:
        raise RegistryError(f"tool name {name!r} is reserved: names between double underscores are Codemode's own")
    return name


def _json(schema: dict[str, Any]) -> bytes:
    return json.dumps(schema, ensure_ascii=False, default=str).encode()
