"""FastMCP's servers in memory, and an application with tools of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

# Read when FastMCP is imported.
os.environ |= {
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    "FASTMCP_SHOW_SERVER_BANNER": "false",
    "FASTMCP_LOG_ENABLED": "false",
}

from fastmcp import Client, FastMCP
from fastmcp.experimental.transforms.code_mode import CodeMode

from codemode.integrations.fastmcp import EXECUTE_DESCRIPTION
from frameworks.application import application, codemode

__all__ = ["application", "codemode"]


@pytest.fixture
def serve() -> Callable[..., FastMCP]:
    def serve(provider: Any, *tools: Callable[..., Any], **options: Any) -> FastMCP:
        options = {"execute_description": EXECUTE_DESCRIPTION, **options}
        server = FastMCP("shop", transforms=[CodeMode(sandbox_provider=provider, **options)])
        for tool in tools:
            server.tool(tool)
        return server

    return serve


@pytest.fixture
def ask() -> Callable[..., Any]:
    """What a model's client does: runs one program after the other; what each came to, or the text of its failure."""

    async def ask(server: FastMCP, *programs: str) -> list[Any]:
        answers = []
        async with Client(server) as client:
            for program in programs:
                done = await client.call_tool("execute", {"code": program}, raise_on_error=False)
                (block,) = done.content
                answers.append(block.text if done.is_error else json.loads(block.text))
        return answers

    return ask
