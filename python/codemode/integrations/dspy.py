"""Codemode for DSPy: `dspy.RLM(…, interpreter_factory=CodemodeInterpreter.factory(codemode))`. Importing this needs
DSPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode import _checks
from codemode.integrations._core import has, needs
from codemode.integrations._steps import NO_TEXT, Steps, ending, entry, has_text, named

with needs("dspy", "dspy"):
    from dspy.primitives.code_interpreter import (  # type: ignore[import-not-found,unused-ignore]
        CodeExecutionError,
        CodeInterpreter,
        CodeInterpreterError,
        FinalOutput,
    )

    has(CodeInterpreter, "tools", "start", "execute", "shutdown")

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode._tool import ToolEntry
    from codemode.integrations._core import CodeToolOptions

_SYNTAX = frozenset({"SyntaxError", "IndentationError", "TabError"})


class CodemodeInterpreter:
    """For one run of a module: it holds the values that the code leaves for its next execution.

    DSPy puts the module's functions into `tools`; the client's, those that `tool_filter` names, are there as well.
    """

    def __init__(
        self, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> None:
        self.tools: dict[str, Callable[..., Any]] = {}
        self.output_fields: list[dict[str, Any]] | None = None
        self._steps = Steps(client, tool_filter, options)
        self._is_over = False

    @classmethod
    def factory(
        cls, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> Factory:
        """For `interpreter_factory=`, with what a model has to know about the code."""
        names = _checks.names(tool_filter)
        return Factory(lambda: cls(client, names, **options), cls(client, names, **options)._steps.prompt)

    def start(self) -> None:
        if self._is_over:
            raise CodeInterpreterError("this interpreter was shut down; make another one")

    def execute(self, code: str, variables: Mapping[str, Any] | None = None) -> Any:
        self.start()
        if hidden := [name for name in self.tools if name.startswith("__")]:
            # DSPy's stand-in for itself: RLM goes on without it when it hears this.
            raise CodeExecutionError(f"{', '.join(hidden)} need functions that stay from one execution to the next")
        submitted: list[dict[str, Any]] = []
        tools = {name: entry(name, function) for name, function in self.tools.items()}
        self._steps.offer({**tools, "SUBMIT": self._submit(submitted)})
        answer = self._steps.run(code, variables=dict(variables or {}))
        if answer.result is None:
            raise CodeInterpreterError(answer.details.get("reason", answer.text))
        if submitted:
            if not has_text(submitted[0]):
                raise CodeExecutionError(NO_TEXT)
            return FinalOutput(submitted[0])
        if answer.succeeded:
            return answer.text if answer.values else None
        is_syntax = answer.details.get("error_type") in _SYNTAX
        raise SyntaxError(answer.text) if is_syntax else CodeExecutionError(answer.text)

    def shutdown(self) -> None:
        """Forgets the values. The client is the application's."""
        self._is_over = True
        self._steps.variables.clear()

    def _submit(self, submitted: list[dict[str, Any]]) -> ToolEntry:
        names = ["output"] if self.output_fields is None else [field["name"] for field in self.output_fields]
        submit = ending(lambda **values: submitted.append(values))
        schema = named(dict.fromkeys(names, ""), names)
        return entry("SUBMIT", submit, "Submits the final output, which ends the code.", schema)


class Factory:
    """Makes interpreters. DSPy reads `execution_instructions` and tells them to the model."""

    def __init__(self, make: Callable[[], CodemodeInterpreter], execution_instructions: str) -> None:
        self._make = make
        self.execution_instructions = execution_instructions

    def __call__(self) -> CodemodeInterpreter:
        return self._make()
