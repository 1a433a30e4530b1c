"""How to call the many shapes a tool can have: functions, our classes, other objects with a method that runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from codemode import _crewai_tools, _langchain_tools, _mcp
from codemode._context import RuntimeContext
from codemode._errors import RegistryError
from codemode._form import Form, is_async, is_opaque, method, signature_of
from codemode._schema import hints_of

# Recognised by their shape: nothing of a framework is imported for it.
_FRAMEWORKS = (_langchain_tools.form_of, _mcp.form_of, _crewai_tools.form_of)


def form_of(component: Any) -> Form:
    """The form of a tool; `RegistryError` if it has none of those we know."""
    if inspect.isroutine(component) or isinstance(component, functools.partial):
        return _function(component)
    if method(component, "run_with_context"):
        return _with_context(component.run_with_context)
    for of_framework in _FRAMEWORKS:
        if form := of_framework(component):
            return form
    for name in ("execute", "run", "_run"):
        if function := method(component, name):
            # A `run(*args, **kwargs)` that forwards to `_run` says nothing about the parameters.
            inner = method(component, "_run")
            described = inner if inner and name == "run" and is_opaque(function) else function
            return _function(function, described)
    if callable(component):
        return _function(component, type(component).__call__.__get__(component))
    raise RegistryError(
        f"{component!r} is no tool: it is neither a function nor a codemode.Tool, "
        "and has no execute, run, _run or run_with_context method"
    )


def _function(function: Callable[..., Any], described: Callable[..., Any] | None = None) -> Form:
    described = described or function
    target = described.func if isinstance(described, functools.partial) else described
    signature = signature_of(described)
    context = {name for name, hint in hints_of(target).items() if _is_context(hint) and name != "return"}
    positional: list[str] = []
    if signature:
        kinds = signature.parameters.values()
        positional = [parameter.name for parameter in kinds if parameter.kind is parameter.POSITIONAL_ONLY]

    def call(arguments: Mapping[str, Any], runtime_context: RuntimeContext) -> Any:
        given = {**arguments, **dict.fromkeys(context, runtime_context)}
        return function(*[given.pop(name) for name in positional if name in given], **given)

    return Form(described, call, is_async(described), bool(context), frozenset(context))


def _with_context(function: Callable[..., Any]) -> Form:
    signature = signature_of(function)
    parameters = list(signature.parameters.values()) if signature else []
    first = parameters[0] if parameters else None
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD, first.VAR_POSITIONAL):
        raise RegistryError(f"{function!r} must take the context as its first parameter")
    return Form(
        function,
        lambda arguments, context: function(context, **arguments),
        is_async(function),
        has_context=True,
        hidden=frozenset({first.name}),
    )


def _is_context(hint: Any) -> bool:
    return hint is RuntimeContext or RuntimeContext in getattr(hint, "__args__", ())
