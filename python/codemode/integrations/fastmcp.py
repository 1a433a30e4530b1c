"""Codemode for FastMCP: `CodeMode(sandbox_provider=CodemodeSandboxProvider(client))`. Importing this needs FastMCP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode import _checks
from codemode.integrations._core import CodeTool, has, needs
from codemode.integrations._steps import entry, offering

with needs("fastmcp", "fastmcp"):
    from fastmcp.exceptions import ToolError  # type: ignore[import-not-found,unused-ignore]
    from fastmcp.experimental.transforms.code_mode import (  # type: ignore[import-not-found,unused-ignore]
        SandboxProvider,
    )

    has(SandboxProvider, "run")

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode.integrations._core import CodeToolOptions

# For `CodeMode(execute_description=…)`: its own text says to write `return` at the top.
EXECUTE_DESCRIPTION = (
    "Runs Python code in a sandbox, with CPython and its standard library. `await call_tool(tool_name, params)` calls "
    "a tool of this server: `params` is a dict of its arguments. Prefer one block with all calls that belong together. "
    "The output is the value of the variable `result`, or of the last expression; without one, what was printed. "
    "`return` is for functions only. Nothing is kept between two runs."
)


class CodemodeSandboxProvider:
    """Runs the code of `CodeMode`, each time in a sandbox of its own, any number of them at once.

    `call_tool` calls the server's tools, in the server's process, as FastMCP lets this client. The tools of `client`
    that `tool_filter` names are functions in the code as well.
    """

    def __init__(
        self, client: Codemode, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> None:
        self._client, self._tool_filter = client, _checks.names(tool_filter)
        self._tool = CodeTool(client, self._tool_filter, {"bare_tools": True, **options})

    async def run(
        self,
        code: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        external_functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Any:
        functions = {name: entry(name, function) for name, function in (external_functions or {}).items()}
        tool = offering(self._tool, self._client, self._tool_filter, functions)
        answer = await tool.run_async(code, variables=dict(inputs or {}))
        if not answer.succeeded:
            raise ToolError(answer.text)
        return answer.values.get("result", answer.values.get("stdout"))
