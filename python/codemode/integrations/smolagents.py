"""Codemode for smolagents: `CodeAgent(executor=CodemodePythonExecutor(codemode))`. Importing this needs smolagents."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode.integrations import _account
from codemode.integrations._core import Answer, has, needs
from codemode.integrations._steps import NO_TEXT, Steps, ending, entry, has_text, named

with needs("smolagents", "smolagents"):
    from smolagents import CodeAgent, Tool  # type: ignore[import-not-found,unused-ignore]
    from smolagents.local_python_executor import (  # type: ignore[import-not-found,unused-ignore]
        CodeOutput,
        InterpreterError,
        PythonExecutor,
    )

    has(PythonExecutor, "send_tools", "send_variables", "__call__")
    has(CodeOutput, "output", "logs", "is_final_answer")
    if "executor" not in inspect.signature(CodeAgent).parameters:
        raise AttributeError("CodeAgent takes no executor")

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
        answers: list[Any] = []
        self._answers = answers
        answer = self._steps.run(code_action)
        if answers:
            if not has_text(answers[0]):
                raise InterpreterError(NO_TEXT)
            return CodeOutput(output=answers[0], logs=_logs(answer), is_final_answer=True)
        if not answer.succeeded or not answer.result:
            raise InterpreterError(answer.text)
        output = answer.result.result
        output = output if has_text(output) else answer.values.get("result")
        return CodeOutput(output=output, logs=_logs(answer), is_final_answer=False)

    def _entry(self, name: str, tool: Tool) -> ToolEntry:
        """Of a managed agent too, which has the same attributes. Their types are for the model: none is enforced."""
        inputs = tool.inputs.items()
        described = {each: str(said.get("description", "")) for each, said in inputs}
        schema = named(described, [each for each, said in inputs if not said.get("nullable")])
        return entry(name, ending(self._final(tool)) if name == _FINAL else tool, tool.description, schema)

    def _final(self, tool: Tool) -> Callable[..., None]:
        return lambda **arguments: self._answers.append(tool(**arguments))


def _logs(answer: Answer) -> str:
    told = {key: value for key, value in answer.values.items() if key in ("stdout", "stderr", "files", "warnings")}
    return _account.text(told) if told else ""
