"""What is known of a tool that can be called, whatever shape it has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codemode._context import RuntimeContext


@dataclass(frozen=True)
class Form:
    """`function` is what signature, hints and docstring are read from, `call` is what runs.

    `hidden` parameters are not for the code to give. `schema` and `output` are the tool object's own schemas of its
    arguments and of its result.
    """

    function: Callable[..., Any]
    call: Callable[[Mapping[str, Any], RuntimeContext], Any]
    is_async: bool
    has_context: bool = False
    hidden: frozenset[str] = frozenset()
    schema: Any = None
    output: Any = None


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return None


def is_async(function: Callable[..., Any] | None) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function)


def method(component: Any, name: str) -> Callable[..., Any] | None:
    found = getattr(component, name, None)
    return found if callable(found) else None


def is_opaque(function: Callable[..., Any]) -> bool:
    """Whether its signature says nothing about the parameters."""
    signature = signature_of(function)
    kinds = {parameter.kind for parameter in signature.parameters.values()} if signature else set()
    return kinds <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def converted(run: Callable[[], Any], convert: Callable[[Any], Any], *, is_async: bool) -> Any:
    """What `convert` makes of the value, at once or when it is awaited. What is async begins when it is awaited."""
    if is_async:
        return _later(run, convert)
    answer = run()
    return _later(lambda: answer, convert) if inspect.isawaitable(answer) else convert(answer)


async def _later(run: Callable[[], Any], convert: Callable[[Any], Any]) -> Any:
    return convert(await run())
