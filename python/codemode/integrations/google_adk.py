"""Codemode for Google ADK's agents: `Codemode.as_google_adk_tool()`, or `CodemodeCodeExecutor` as what runs an agent's
code blocks. Importing this needs Google ADK.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from codemode._context import RuntimeContext
from codemode._errors import CodemodeError
from codemode._result import ExecutionResult
from codemode.integrations._core import CodeTool, has, needs

with needs("google-adk", "google-adk"):
    from google.adk.agents.invocation_context import InvocationContext  # type: ignore[import-not-found,unused-ignore]
    from google.adk.code_executors import BaseCodeExecutor  # type: ignore[import-not-found,unused-ignore]
    from google.adk.code_executors.code_execution_utils import (  # type: ignore[import-not-found,unused-ignore]
        CodeExecutionInput,
        CodeExecutionResult,
        File,
    )
    from google.adk.tools import FunctionTool, ToolContext  # type: ignore[import-not-found,unused-ignore]
    from google.genai.types import FunctionDeclaration  # type: ignore[import-not-found,unused-ignore]

    has(BaseCodeExecutor, "execute_code", "stateful", "optimize_data_file", "timeout_seconds")
    has(CodeExecutionResult, "exit_code")
    has(FunctionDeclaration, "parameters_json_schema")

if TYPE_CHECKING:
    from codemode._client import Codemode

_ODD = re.compile(r"[:\\\x00-\x1f\x7f]")
_RESERVED = frozenset({"", "metadata.json", "versions"})
_OWN_SANDBOX = (
    "each execution has a sandbox of its own, so a CodemodeCodeExecutor is not stateful, and optimize_data_file has no "
    "folder for its files. Give code its data through a tool, or in the folder of filesystem.workspace.mount"
)


class CodemodeTool(FunctionTool):  # type: ignore[misc,unused-ignore]
    """ADK awaits it on its event loop, several calls of one turn at once."""

    def __init__(self, tool: CodeTool) -> None:
        async def run(code: str, tool_context: ToolContext) -> dict[str, Any]:
            answer = await tool.run_async(code, _seen(tool_context))
            # Without a result there is something to say all the same: an empty answer is none to ADK.
            return {"result": None, **answer.values} if answer.succeeded else {"error": answer.text}

        super().__init__(run)
        self.name, self.description, self._tool = tool.name, tool.description, tool

    def _get_declaration(self) -> FunctionDeclaration:
        code = {"type": "string", "description": self._tool.code_description}
        schema = {"type": "object", "properties": {"code": code}, "required": ["code"]}
        return FunctionDeclaration(name=self.name, description=self.description, parameters_json_schema=schema)

    def as_function_tool(self) -> CodemodeTool:
        """Itself, as applications of opencodemode ask for it."""
        return self


class CodemodeCodeExecutor(BaseCodeExecutor):  # type: ignore[misc,unused-ignore]
    """`Agent(code_executor=CodemodeCodeExecutor(codemode))`. The fields of ADK's executors and the options of
    `as_google_adk_tool` are keyword arguments. Files that come with a call are in the dict `input_files`, as bytes.
    """

    _tool: CodeTool = PrivateAttr()

    def __init__(self, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Any) -> None:
        fields = {name: options.pop(name) for name in tuple(options) if name in BaseCodeExecutor.model_fields}
        if fields.get("stateful") or fields.get("optimize_data_file"):
            raise ValueError(_OWN_SANDBOX)
        super().__init__(**fields)
        if self.timeout_seconds is not None:
            options["execution_timeout"] = self.timeout_seconds
        self._tool = CodeTool(client, tool_filter, options)

    def execute_code(
        self, invocation_context: InvocationContext, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        this: dict[str, Any] = {}
        if files := code_execution_input.input_files:
            this["variables"] = {"input_files": {file.name: _content(file) for file in files}}
        answer = self._tool.run(code_execution_input.code, _seen(invocation_context), **this)
        done = answer.result or ExecutionResult(False, answer.code)
        # The model gets the one that says more, and ADK takes whatever is in stderr for a failure.
        said = {"stdout": answer.text} if answer.succeeded else {"stdout": done.stdout, "stderr": answer.text}
        return CodeExecutionResult(**said, output_files=_files(done), exit_code=done.exit_code)


def google_adk_tool(client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> CodemodeTool:
    return CodemodeTool(CodeTool(client, tool_filter, options))


def _seen(call: ToolContext | InvocationContext) -> RuntimeContext:
    """Who asks, for the application's tools. Code does not see the session's id: with it one can ask ADK's server."""
    session = call.session
    known = {"user_id": session.user_id, "app_name": session.app_name, "invocation_id": call.invocation_id}
    return RuntimeContext(known, {"session_id": session.id})


def _content(file: File) -> bytes:
    return file.content if isinstance(file.content, bytes) else base64.b64decode(file.content)


def _files(result: ExecutionResult) -> list[File]:
    """Those whose contents came with the result; the others are named in the text."""
    files = []
    for artifact in result.artifacts:
        try:
            files.append(File(_artifact_name(artifact.path), artifact.read(), artifact.mime_type))
        except CodemodeError:
            continue
    return files


def _artifact_name(path: str) -> str:
    """With the prefix `user:` it would be a file of all the user's sessions, which code may not replace. The others are
    names that one of ADK's artifact services refuses, which would end the run.
    """
    parts = (_ODD.sub("_", part).strip() or "_" for part in path.split("/"))
    return "/".join(f"_{part}" if part.rstrip(" .").casefold() in _RESERVED else part for part in parts)
