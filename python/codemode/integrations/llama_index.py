"""Codemode for LlamaIndex: `code_execute_fn(codemode)` is what runs the code of a `CodeActAgent`. Importing this needs
LlamaIndex.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from codemode.integrations._core import needs
from codemode.integrations._steps import Steps, prompt

with needs("llama-index", "llama-index-core"):
    from llama_index.core.agent.workflow import (  # type: ignore[import-not-found,unused-ignore]
        CodeActAgent as _CodeActAgent,  # noqa: F401 it is what the function is for
    )

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode.integrations._core import CodeToolOptions

__all__ = ["CodeResult", "code_execute_fn", "system_prompt"]


class CodeResult(dict[str, Any]):
    """`result`, `stdout`, `error` and so on, each where there is one. As text it is what the model reads."""

    def __init__(self, values: Any, text: str) -> None:
        super().__init__(values)
        self._text = text

    def __str__(self) -> str:
        return self._text


def code_execute_fn(
    client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
) -> Callable[[str], Coroutine[Any, Any, CodeResult]]:
    """What runs the code of one agent in one conversation: it holds the values that the code leaves for its next run.

    `tool_filter` and the options are those of `Codemode.as_crewai_tool`. Code calls tools by their bare names too.
    """
    steps = Steps(client, tool_filter, options)

    async def execute(code: str) -> CodeResult:
        """Runs Python code in a sandbox."""
        answer = await steps.run_async(code)
        return CodeResult(answer.values, answer.text)

    return execute


def system_prompt(
    client: Codemode,
    tool_filter: Iterable[str] | None = None,
    *,
    keep_variables: bool = True,
    environment: str | None = None,
) -> str:
    """For `CodeActAgent(system_prompt=…)`: the tools, what the sandbox allows, and what is kept between two runs, which
    is what `code_execute_fn` was told, as is `environment`.
    """
    return prompt(client, tool_filter, keep_variables, environment=environment)
