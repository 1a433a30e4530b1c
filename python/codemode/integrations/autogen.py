"""Codemode as what runs the code of AutoGen's agents: `CodemodeCodeExecutor`. Importing this needs AutoGen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from codemode.integrations._core import CodeTool, has, needs, no_python

with needs("autogen", "autogen-core"):
    from autogen_core import CancellationToken  # type: ignore[import-not-found,unused-ignore]
    from autogen_core.code_executor import (  # type: ignore[import-not-found,unused-ignore]
        CodeBlock,
        CodeExecutor,
        CodeResult,
    )

    has(CodeExecutor, "execute_code_blocks", "start", "stop", "restart")
    has(CancellationToken, "link_future")

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode.integrations._core import CodeToolOptions


class CodemodeCodeExecutor(CodeExecutor):  # type: ignore[misc,unused-ignore]
    """`CodeExecutorAgent("runner", code_executor=CodemodeCodeExecutor(codemode))`. Each block has a sandbox of its own.

    The client is the application's: nothing is opened at `start`, kept until `restart`, or closed at `stop`.
    """

    def __init__(
        self, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> None:
        self._tool = CodeTool(client, tool_filter, options)

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Runs them in their order, up to one that fails. Cancelling ends the code and raises `CancelledError`."""
        if other := next(filter(None, (no_python(block.language) for block in code_blocks)), None):
            return CodeResult(1, other)
        texts = []
        for block in code_blocks:
            running = asyncio.ensure_future(self._tool.run_async(block.code))
            cancellation_token.link_future(running)
            answer = await running
            texts.append(answer.text)
            if not answer.succeeded:
                return CodeResult(answer.exit_code, "\n".join(texts))
        return CodeResult(0, "\n".join(texts))

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def restart(self) -> None: ...
