"""Codemode as a tool of LangChain's and LangGraph's agents: `Codemode.as_langchain_tool()`. Importing this needs
langchain-core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model
from pydantic_core import SchemaSerializer, core_schema

from codemode._result import ExecutionResult
from codemode.integrations._core import Answer, CodeTool, has, needs

with needs("langchain", "langchain-core"):
    from langchain_core.messages import ToolMessage  # type: ignore[import-not-found,unused-ignore]
    from langchain_core.tools import StructuredTool  # type: ignore[import-not-found,unused-ignore]

    has(StructuredTool, "args_schema", "coroutine", "response_format")
    has(ToolMessage, "artifact", "status")

if TYPE_CHECKING:
    from codemode._client import Codemode


def _kept(result: ExecutionResult) -> dict[str, Any]:
    """What checkpoints and traces have of it: plain JSON without contents of files. Code may return what they cannot
    write, such as an integer of more than 64 bits, so of its value there is the text.
    """
    files = tuple(replace(artifact, data=None) for artifact in result.artifacts)
    plain = asdict(replace(result, result=None, variables={}, artifacts=files))
    for call in plain["tool_calls"]:
        call["arguments_json"] = call["arguments_json"].decode("utf-8", "replace")
    return {key: value for key, value in plain.items() if key not in ("result", "variables")}


class CodemodeArtifact(ExecutionResult):
    """The result as it is; written into a checkpoint it becomes a mapping of plain values."""

    __pydantic_serializer__ = SchemaSerializer(
        core_schema.any_schema(serialization=core_schema.plain_serializer_function_ser_schema(_kept))
    )


class CodemodeTool(StructuredTool):  # type: ignore[misc,unused-ignore]
    """A failure is never raised, since what raises may be run again. LangChain marks as one only what is raised."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return _marked(super().run(*args, **kwargs))

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return _marked(await super().arun(*args, **kwargs))


def langchain_tool(client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> CodemodeTool:
    tool = CodeTool(client, tool_filter, options)

    def run(code: str) -> tuple[str, CodemodeArtifact | None]:
        return _told(tool.run(code))

    async def run_async(code: str) -> tuple[str, CodemodeArtifact | None]:
        return _told(await tool.run_async(code))

    return CodemodeTool(
        name=tool.name,
        description=tool.description,
        args_schema=create_model("CodemodeInput", code=(str, Field(description=tool.code_description))),
        func=run,
        coroutine=run_async,
        response_format="content_and_artifact",
    )


def _told(answer: Answer) -> tuple[str, CodemodeArtifact | None]:
    if answer.result is None:
        return answer.text, None
    return answer.text, CodemodeArtifact(
        **{item.name: getattr(answer.result, item.name) for item in fields(answer.result)}
    )


def _marked(output: Any) -> Any:
    if isinstance(output, ToolMessage) and not (output.artifact and output.artifact.success):
        output.status = "error"
    return output
