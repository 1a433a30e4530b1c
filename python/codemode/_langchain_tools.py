"""LangChain's tools as they are, and what has their shape: `invoke` wants one mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codemode._errors import RegistryError, ToolError
from codemode._form import Form, converted, method, signature_of
from codemode._mcp import content_value
from codemode._schema import hints_of

# Filled in by LangChain itself, never by a caller.
_ITS_OWN = frozenset({"run_manager", "callbacks", "config"})


def form_of(component: Any) -> Form | None:
    invoke, schema = method(component, "invoke"), getattr(component, "args_schema", None)
    if invoke is None or (schema is None and not all(method(component, name) for name in ("ainvoke", "_run"))):
        return None
    wrapped = method(component, "func") or method(component, "coroutine")
    function = wrapped or method(component, "_run") or method(component, "run") or invoke
    hidden = _ITS_OWN
    if schema is None and wrapped and isinstance(getattr(component, "args", None), Mapping):
        # A tool of one text, whatever its function calls it.
        schema = {"type": "object", "properties": dict(component.args), "required": list(component.args)}
    elif (shown := getattr(component, "tool_call_schema", None)) is not None:
        offered = _names(shown)
        taken = _taken(component, function, offered) - offered
        # Where LangChain itself makes a schema, some of its own parameters are in it.
        hidden = taken | (_ITS_OWN if schema is None else _ITS_OWN - offered)
        # The one that is shown to models is a copy with fewer fields; the whole one validates more.
        schema = schema if schema is None or _names(schema) == offered else shown
    only_async = method(component, "func") is None and method(component, "coroutine") is not None
    runs = _raising(component)
    run = runs.ainvoke if only_async else runs.invoke
    return Form(
        function,
        lambda given, _: converted(lambda: run(_arguments(component, given, hidden)), _value, is_async=only_async),
        only_async,
        hidden=hidden,
        schema=schema,
    )


def _names(schema: Any) -> frozenset[str]:
    if isinstance(schema, Mapping):
        return frozenset(schema.get("properties", ()))
    fields = getattr(schema, "model_fields", None)
    return frozenset(getattr(schema, "__fields__", ()) if fields is None else fields)


def _taken(component: Any, function: Callable[..., Any], offered: frozenset[str]) -> frozenset[str]:
    """The function's parameters. What an agent's run injects, such as its state, is not there for code."""
    signature, hints = signature_of(function), hints_of(function)
    parameters = {
        name: parameter
        for name, parameter in (signature.parameters.items() if signature else ())
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    absent = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and name not in offered | _ITS_OWN
        and getattr(hints.get(name), "__name__", "") != "RunnableConfig"
    ]
    if absent:
        raise RegistryError(
            f"tool {component.name!r} needs {', '.join(absent)}, which only an agent's run can give it; "
            "register a function of your own that calls it"
        )
    return frozenset(parameters)


def _raising(component: Any) -> Any:
    """A tool that would answer with the text of its failure raises it instead: code should not take it for a value."""
    handlers = {name: False for name in ("handle_tool_error", "handle_validation_error") if getattr(component, name, 0)}
    return component.model_copy(update=handlers) if handlers and method(component, "model_copy") else component


def _arguments(component: Any, given: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    """As a model's call where the answer has two parts, since `invoke` gives both only then."""
    if injected := hidden & given.keys():  # of a JSON Schema that allows what it does not name
        raise ToolError(f"{', '.join(sorted(injected))}: no such parameter")
    if getattr(component, "response_format", None) != "content_and_artifact":
        return dict(given)
    return {"type": "tool_call", "id": "code", "name": component.name, "args": dict(given)}


def _value(answer: Any) -> Any:
    """Of a message what the model would read, or the structured content that an MCP server gave with it."""
    if not (hasattr(answer, "tool_call_id") and hasattr(answer, "content")):
        return answer
    if getattr(answer, "status", "") == "error":
        raise ToolError(str(content_value(answer.content)))
    artifact = getattr(answer, "artifact", None)
    if isinstance(artifact, Mapping) and artifact.get("structured_content") is not None:
        return artifact["structured_content"]
    return content_value(answer.content)
