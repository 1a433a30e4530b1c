"""How to call the many shapes a tool can have: functions, our classes, objects of agent frameworks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codemode._context import RuntimeContext
from codemode._errors import RegistryError
from codemode._schema import hints_of

# Filled in by LangChain itself, never by a caller.
_FRAMEWORK_PARAMETERS = frozenset({"run_manager", "callbacks", "config"})


@dataclass(frozen=True)
class Form:
    """`function` is what signature, hints and docstring are read from, `call` is what runs.

    `hidden` parameters are not for the code to give. `schema` is the tool object's own schema of its arguments.
    """

    function: Callable[..., Any]
    call: Callable[[Mapping[str, Any], RuntimeContext], Any]
    is_async: bool
    has_context: bool = False
    hidden: frozenset[str] = frozenset()
    schema: Any = None


def form_of(component: Any) -> Form:
    """The form of a tool; `RegistryError` if it has none of those we know."""
    if inspect.isroutine(component) or isinstance(component, functools.partial):
        return _function(component)
    if _method(component, "run_with_context"):
        return _with_context(component.run_with_context)
    if (schema := getattr(component, "args_schema", None)) is not None or _is_langchain(component):
        return _framework_tool(component, schema)
    for name in ("execute", "run", "_run"):
        if function := _method(component, name):
            # A `run(*args, **kwargs)` that forwards to `_run` says nothing about the parameters.
            inner = _method(component, "_run")
            described = inner if inner and name == "run" and _is_opaque(function) else function
            return _function(function, described)
    if callable(component):
        return _function(component, type(component).__call__.__get__(component))
    raise RegistryError(
        f"{component!r} is no tool: it is neither a function nor a codemode.Tool, "
        "and has no execute, run, _run or run_with_context method"
    )


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return None


def is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function)


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


def _framework_tool(component: Any, schema: Any) -> Form:
    """CrewAI (`run`, which counts uses, over `_run`) and LangChain (`invoke`, which wants one mapping)."""
    inner = _method(component, "_run") or _method(component, "func") or _method(component, "run")
    if invoke := _method(component, "invoke"):
        only_async = getattr(component, "func", "") is None and getattr(component, "coroutine", None) is not None
        call = component.ainvoke if only_async else invoke
        return Form(
            inner or invoke,
            lambda arguments, _: call(dict(arguments)),
            only_async,
            False,
            _FRAMEWORK_PARAMETERS,
            schema,
        )
    if inner is None:
        raise RegistryError(f"{component!r} has an args_schema but no run, _run or invoke method")
    # CrewAI's `run` would start an event loop of its own for an async `_run`.
    run = inner if is_async(inner) else _method(component, "run") or inner
    return Form(inner, lambda arguments, _: run(**arguments), is_async(inner), schema=schema)


def _is_langchain(component: Any) -> bool:
    return all(_method(component, name) for name in ("invoke", "ainvoke", "_run"))


def _method(component: Any, name: str) -> Callable[..., Any] | None:
    found = getattr(component, name, None)
    return found if callable(found) else None


def _is_opaque(function: Callable[..., Any]) -> bool:
    signature = signature_of(function)
    kinds = {parameter.kind for parameter in signature.parameters.values()} if signature else set()
    return kinds <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _is_context(hint: Any) -> bool:
    return hint is RuntimeContext or RuntimeContext in getattr(hint, "__args__", ())
