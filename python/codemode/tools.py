"""What the application offers to executed code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, overload

from codemode._approval import Approval, ApprovalDecision, ApprovalOption, ApprovalRequest, ApprovalRule
from codemode._context import RuntimeContext
from codemode._marker import ToolOptions, mark
from codemode._progress import report_progress

__all__ = [
    "Approval",
    "ApprovalDecision",
    "ApprovalRequest",
    "ApprovalRule",
    "ContextAwareTool",
    "Tool",
    "mcp_tools",
    "report_progress",
    "tool",
]

_F = TypeVar("_F", bound=Callable[..., Any])


class Tool(ABC):
    """A tool as a class: set `name` and `description`, write `execute` with the parameters that the code may give.

    `execute` may be async. The schemas come from its type hints unless `input_schema` (a pydantic model or JSON
    Schema) or `output_schema` (any type, or JSON Schema) are set. `timeout` (seconds) and `approval` are those of
    `@tool`. Optional `open()` and `close()` are called once per client.

    >>> class ReadFile(Tool):
    ...     name = "read_file"
    ...     description = "Read contents of a file"
    ...
    ...     def execute(self, path: str) -> str:
    ...         with open(path) as file:
    ...             return file.read()
    """

    name: str = ""
    description: str = ""
    input_schema: ClassVar[Any] = None
    output_schema: ClassVar[Any] = None
    timeout: float | None = None
    approval: ApprovalOption = None

    # `*args: Any, **kwargs: Any` is how typing spells "any signature": subclasses name their own parameters.
    @abstractmethod
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the tool."""


class ContextAwareTool(Tool):
    """A tool that also receives the client's `RuntimeContext`, which executed code cannot choose."""

    @abstractmethod
    def run_with_context(self, context: RuntimeContext, *args: Any, **kwargs: Any) -> Any:
        """Runs the tool for one request."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self.run_with_context(RuntimeContext(), *args, **kwargs)


async def mcp_tools(session: Any) -> list[Tool]:
    """The tools of an MCP server, each to be registered with `registry.register_tool(tool)`.

    `session` is connected: a `ClientSession` or `Client` of `mcp`, or FastMCP's `Client`. Calls run on the event loop
    that this is awaited on, so that loop must be free while code runs: use `AsyncCodemode` or `execute_async` there.
    Structured content is a value, of which the server's output schema is enforced; other content is text. An error of
    the tool is a `ToolError` in the code.
    """
    from codemode._mcp import tools_of

    return await tools_of(session)


@overload
def tool(name: _F) -> _F: ...


@overload
def tool(
    name: str | None = None,
    description: str | None = None,
    input_schema: Any = None,
    output_schema: Any = None,
    timeout: float | None = None,
    approval: ApprovalOption = None,
) -> Callable[[_F], _F]: ...


def tool(
    name: Any = None,
    description: str | None = None,
    input_schema: Any = None,
    output_schema: Any = None,
    timeout: float | None = None,
    approval: ApprovalOption = None,
) -> Any:
    """Marks a function, an async function or a class as a tool, for `registry.register` or `discover_tools`.

    The name is the function's own unless given; what is decorated stays as it was. `timeout` is how many seconds a call
    may take; the executor's `tool_timeout` holds if it is lower. `approval` says which calls need the consent of
    `on_approval`: "ask" (or True), "deny", an `Approval`, or a list of `ApprovalRule`.

    >>> @tool
    ... def add(a: int, b: int) -> int:
    ...     "Add two numbers."
    ...     return a + b
    """
    if callable(name):
        return mark(name, ToolOptions())
    options = ToolOptions(name, description, input_schema, output_schema, timeout, approval)
    return lambda target: mark(target, options)
