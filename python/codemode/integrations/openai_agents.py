"""Codemode as a tool of OpenAI's agents: `Codemode.as_openai_agents_tool()`. Importing this needs openai-agents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode.integrations._core import CodeTool, has, needs

with needs("openai-agents", "openai-agents"):
    from agents import FunctionTool  # type: ignore[import-not-found,unused-ignore]

    has(FunctionTool, "params_json_schema", "on_invoke_tool", "strict_json_schema")

if TYPE_CHECKING:
    from codemode._client import Codemode


class CodemodeTool(FunctionTool):  # type: ignore[misc,unused-ignore]
    """What goes wrong is text for the model: an exception would end the run."""


def openai_agents_tool(client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> CodemodeTool:
    tool = CodeTool(client, tool_filter, options)

    async def invoke(_context: Any, arguments: str) -> str:
        return (await tool.run_async(_code(arguments))).text

    code = {"type": "string", "description": tool.code_description}
    return CodemodeTool(
        name=tool.name,
        description=tool.description,
        params_json_schema={
            "type": "object",
            "properties": {"code": code},
            "required": ["code"],
            "additionalProperties": False,
        },
        on_invoke_tool=invoke,
        strict_json_schema=True,
    )


def _code(arguments: str) -> Any:
    """None where a model that keeps to no schema sent something else."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return None
    return given.get("code") if isinstance(given, dict) else None
