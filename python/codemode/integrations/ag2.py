"""Codemode as what runs the code of AG2's agents: `CodemodeEnvironment`. Importing this needs AG2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codemode.integrations._core import CodeTool, has, needs, no_python

with needs("ag2", "ag2"):
    from ag2.tools.code import (  # type: ignore[import-not-found,unused-ignore]
        CodeEnvironment,
        CodeLanguage,
        CodeRunResult,
    )

    has(CodeEnvironment, "supported_languages", "run")

if TYPE_CHECKING:
    from ag2.context import ConversationContext  # type: ignore[import-not-found,unused-ignore]
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode.integrations._core import CodeToolOptions


class CodemodeEnvironment(CodeEnvironment):  # type: ignore[misc,unused-ignore]
    """`SandboxCodeTool(CodemodeEnvironment(codemode))`. AG2 awaits it on its event loop, several calls at once."""

    def __init__(
        self, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> None:
        self._tool = CodeTool(client, tool_filter, options)

    @property
    def supported_languages(self) -> tuple[CodeLanguage, ...]:
        return ("python",)

    async def run(
        self, code: str, language: CodeLanguage, *, context: ConversationContext | None = None
    ) -> CodeRunResult:
        """`context` is not used: its variables may be secrets, and code can read the context of its execution."""
        if other := no_python(language):
            return CodeRunResult(other, 1)
        answer = await self._tool.run_async(code)
        return CodeRunResult(answer.text, answer.exit_code)
