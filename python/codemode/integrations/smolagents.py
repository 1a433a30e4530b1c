"""Codemode for smolagents: `CodeAgent(executor=CodemodePythonExecutor(codemode))`. Importing this needs smolagents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode._errors import ToolError
from codemode.integrations import _account
from codemode.integrations._core import Answer, has, needs
from codemode.integrations._steps import Steps, entry

with needs("smolagents", "smolagents"):
    from smolagents import Tool  # type: ignore[import-not-found,unused-ignore]
    from smolagents.local_python_executor import (  # type: ignore[import-not-found,unused-ignore]
        CodeOutput,
        InterpreterError,
        PythonExecutor,
    )

    has(PythonExecutor, "send_tools", "send_variables", "__call__")
    has(CodeOutput, "output", "logs", "is_final_answer")

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode._tool import ToolEntry
    from codemode.integrations._core import CodeToolOptions

_FINAL = "final_answer"


class CodemodePythonExecutor(PythonExecutor):  # type: ignore[misc,unused-ignore]
    """For one agent: it holds the values that the code leaves for its next run.

    The agent's tools, and those of the client that `tool_filter` names, are functions in the code. `prompt` is for
    `CodeAgent(instructions=…)`: the client's tools, what the sandbox allows, and what is kept between two runs.
    """

    def __init__(
        self, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> None:
        self._steps = Steps(client, tool_filter, options)
        self._answers: list[Any] = []
        self.prompt = self._steps.prompt

    def send_tools(self, tools: Mapping[str, Tool]) -> None:
        self._steps.offer({name: self._entry(name, tool) for name, tool in tools.items()})

    def send_variables(self, variables: Mapping[str, Any]) -> None:
        self._steps.give(variables)

    def __call__(self, code_action: str) -> CodeOutput:
        self._answers = answers = []
        answer = self._steps.run(code_action)
        if answers:
            return CodeOutput(output=answers[0], logs=_logs(answer), is_final_answer=True)
        if not answer.succeeded or not answer.result:
            raise InterpreterError(answer.text)
        return CodeOutput(output=answer.result.result, logs=_logs(answer), is_final_answer=False)

    def _entry(self, name: str, tool: Tool) -> ToolEntry:
        """A tool, or a managed agent, which has the same attributes. Types are for the model: smolagents enforces none."""
        schema = {
            "type": "object",
            "properties": {
                name: {"description": str(said.get("description", ""))} for name, said in tool.inputs.items()
            },
            "required": [name for name, said in tool.inputs.items() if not said.get("nullable")],
            "additionalProperties": False,
        }

        def call(**arguments: Any) -> Any:
            value = tool(**arguments)
            if name == _FINAL:
                self._answers.append(value)
                # Ends the code, unless it looks away; the first answer is the answer in any case.
                raise ToolError("the final answer is given, nothing is left to do")
            return value

        return entry(name, call, tool.description, schema)


def _logs(answer: Answer) -> str:
    told = {key: value for key, value in answer.values.items() if key in ("stdout", "stderr", "files", "warnings")}
    return _account.text(told) if told else ""
