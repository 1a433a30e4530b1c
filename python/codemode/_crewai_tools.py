"""CrewAI's tools as they are, and what has their shape: an `args_schema`, and a method that takes keywords."""

from __future__ import annotations

from typing import Any

from codemode._errors import RegistryError, ToolError
from codemode._form import Form, converted, is_async, method


def form_of(component: Any) -> Form | None:
    schema = getattr(component, "args_schema", None)
    if schema is None:
        return None
    inner = method(component, "_run") or method(component, "func") or method(component, "run")
    if inner is None:
        raise RegistryError(f"{component!r} has an args_schema but no run, _run or invoke method")
    # Both validate and count the uses. An async function goes to the loop of the other async tools; for an async
    # `_run`, `run` has a loop of its own, since not every tool has an `_arun`.
    on_loop = method(component, "arun") if is_async(getattr(component, "func", None)) else None
    run = on_loop or method(component, "run") or inner
    return Form(
        inner,
        lambda arguments, _: converted(lambda: run(**arguments), _value, is_async=is_async(run)),
        is_async(run),
        schema=schema,
        output=getattr(component, "result_schema", None),
    )


def _value(answer: Any) -> Any:
    """A failure that a tool returns, or CrewAI in its place, is none of its results."""
    kind = type(answer)
    if kind.__name__ == "ToolFailure" and kind.__module__.startswith("crewai."):
        raise ToolError(answer.message)
    return answer
