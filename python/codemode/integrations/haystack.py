"""Codemode as a tool of Haystack's agents: `Codemode.as_haystack_tool()`. Importing this needs Haystack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode.integrations._core import Answer, CodeTool, has, needs

with needs("haystack", "haystack-ai"):
    from haystack.tools import Tool  # type: ignore[import-not-found,unused-ignore]
    from haystack.tools.errors import ToolInvocationError  # type: ignore[import-not-found,unused-ignore]

    has(Tool, "invoke", "invoke_async", "async_function")

if TYPE_CHECKING:
    from codemode._client import Codemode


class CodemodeTool(Tool):  # type: ignore[misc,unused-ignore]
    """An agent calls it from several threads at once, for which the client is made, or awaits it."""

    def invoke(self, **kwargs: Any) -> Any:
        try:
            return super().invoke(**kwargs)
        except ToolInvocationError as error:
            raise _as_it_is(error) from None

    async def invoke_async(self, **kwargs: Any) -> Any:
        try:
            return await super().invoke_async(**kwargs)
        except ToolInvocationError as error:
            raise _as_it_is(error) from None

    def to_dict(self) -> dict[str, Any]:
        raise ValueError(
            f"the tool {self.name!r} has a client, which no file can hold; make it with as_haystack_tool() in the "
            "program that runs the pipeline"
        )


def haystack_tool(client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> CodemodeTool:
    tool = CodeTool(client, tool_filter, options)

    def run(code: str) -> dict[str, Any]:
        return _told(tool, tool.run(code))

    async def run_async(code: str) -> dict[str, Any]:
        return _told(tool, await tool.run_async(code))

    argument = {"type": "string", "description": tool.code_description}
    return CodemodeTool(
        name=tool.name,
        description=tool.description,
        parameters={"type": "object", "properties": {"code": argument}, "required": ["code"]},
        function=run,
        async_function=run_async,
    )


def _told(tool: CodeTool, answer: Answer) -> dict[str, Any]:
    """Haystack never repeats a call that raises; the agent's settings say whether it ends the run."""
    if answer.succeeded:
        return {"result": None, **answer.values}
    raise ToolInvocationError(answer.text, tool_name=tool.name)


def _as_it_is(error: ToolInvocationError) -> Exception:
    """Without the words that Haystack puts around it, which have all of the code in them once more."""
    own: Exception = error.__cause__ if isinstance(error.__cause__, ToolInvocationError) else error
    return own
