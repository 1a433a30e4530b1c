"""Codemode as a tool of CrewAI's agents: `Codemode.as_crewai_tool()`. Importing this needs CrewAI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, PrivateAttr, create_model

from codemode.integrations._core import Answer, CodeTool, has, needs

with needs("crewai", "crewai"):
    from crewai.tools import BaseTool, ToolFailure  # type: ignore[import-not-found,unused-ignore]

    has(BaseTool, "args_schema", "result_schema", "cache_function")

if TYPE_CHECKING:
    from codemode._client import Codemode


class CodemodeResult(BaseModel):
    """What an agent gets as JSON. `result` is the beginning and the end of its own text where it is too long."""

    result: Any = None
    stdout: str = ""
    stderr: str = ""
    files: list[str] = []
    warnings: list[str] = []


def _never(_arguments: Any = None, _result: Any = None) -> bool:
    """Or a crew with a cache would answer with an execution from before, whatever the tools have done since."""
    return False


class CodemodeTool(BaseTool):  # type: ignore[misc,unused-ignore]
    """CrewAI calls it from many threads at once, for which the client is made."""

    # In no checkpoint: reading a function from one needs a permission.
    cache_function: Any = Field(default=_never, exclude=True)
    _code_tool: CodeTool | None = PrivateAttr(default=None)

    def _run(self, code: str) -> CodemodeResult | ToolFailure:
        return _told(self._connected().run(code))

    async def _arun(self, code: str) -> CodemodeResult | ToolFailure:
        return _told(await self._connected().run_async(code))

    def _connected(self) -> CodeTool:
        if self._code_tool is None:
            raise RuntimeError("a tool from a checkpoint has no client: give its agents one of as_crewai_tool()")
        return self._code_tool


def crewai_tool(client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> CodemodeTool:
    tool = CodeTool(client, tool_filter, options)
    made = CodemodeTool(
        name=tool.name,
        description=tool.description,
        args_schema=create_model("CodemodeInput", code=(str, Field(description=tool.code_description))),
        result_schema=CodemodeResult,
    )
    made._code_tool = tool
    return made


def _told(answer: Answer) -> CodemodeResult | ToolFailure:
    """A failure is never raised: CrewAI runs a call that raises again, and some of it may have happened already."""
    if answer.succeeded:
        return CodemodeResult.model_validate(answer.values)
    return ToolFailure(message=answer.text, code=answer.code, retryable=answer.retryable, details=dict(answer.details))
