"""Codemode as a toolset of Pydantic AI's agents: `Codemode.as_pydantic_ai_toolset()`. Importing this needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import SchemaValidator, core_schema

from codemode.integrations._core import Answer, CodeTool, has, needs

with needs("pydantic-ai", "pydantic-ai-slim"):
    from pydantic_ai import ModelRetry, RunContext, ToolFailed  # type: ignore[import-not-found,unused-ignore]
    from pydantic_ai.tools import ToolDefinition  # type: ignore[import-not-found,unused-ignore]
    from pydantic_ai.toolsets.abstract import (  # type: ignore[import-not-found,unused-ignore]
        AbstractToolset,
        ToolsetTool,
    )

    has(AbstractToolset, "id", "get_tools", "call_tool")

if TYPE_CHECKING:
    from codemode._client import Codemode

_ARGUMENTS = SchemaValidator(
    core_schema.typed_dict_schema({"code": core_schema.typed_dict_field(core_schema.str_schema())})
)


class CodemodeToolset(AbstractToolset[Any]):  # type: ignore[misc,unused-ignore]
    """One tool. Pydantic AI awaits the calls of one turn on its event loop, all at once."""

    def __init__(self, tool: CodeTool) -> None:
        self._tool = tool
        code = {"type": "string", "description": tool.code_description}
        schema = {"type": "object", "properties": {"code": code}, "required": ["code"], "additionalProperties": False}
        self._definition = ToolDefinition(name=tool.name, description=tool.description, parameters_json_schema=schema)

    @property
    def id(self) -> str:
        return self._tool.name

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        tool = ToolsetTool(
            toolset=self, tool_def=self._definition, max_retries=ctx.max_retries, args_validator=_ARGUMENTS
        )
        return {self._tool.name: tool}

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> dict[str, Any]:
        answer = await self._tool.run_async(tool_args["code"])
        if answer.succeeded:
            return {"result": None, **answer.values}
        raise ModelRetry(answer.text) if _may_be_repeated(answer) else ToolFailed(answer.text)


def pydantic_ai_toolset(
    client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]
) -> CodemodeToolset:
    return CodemodeToolset(CodeTool(client, tool_filter, {"name": "run_code", **options}))


def _may_be_repeated(answer: Answer) -> bool:
    """A retry asks the model to try again. It is not asked to where tools ran already or somebody said no to one, or
    where no code would help.
    """
    calls = answer.result.tool_calls if answer.result else ()
    return answer.result is not None and not any(call.ran or call.status == "denied" for call in calls)
