"""Tools of an MCP session of the second SDK, which comes with OpenAI's agents, called by code from the sandbox."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.types import ImageContent, ListToolsResult, TextContent, Tool

from codemode import Codemode, ComponentRegistry
from codemode.core import RegistryError
from codemode.tools import mcp_tools
from frameworks import shop


@pytest.mark.parametrize("of", ["client", "session"])
def test_tools_of_a_server(of: str) -> None:
    async def main() -> None:
        async with Client(shop.offered_by(MCPServer("shop"))) as client:
            tools = await mcp_tools(client if of == "client" else client.session)
            shop.check(await shop.used(tools))

    asyncio.run(main())


def test_content_of_other_kinds() -> None:
    server = MCPServer("pictures")

    @server.tool(structured_output=False)
    def draw(kind: str) -> list[Any]:
        """Draws."""
        picture = ImageContent(type="image", data="aGk=", mime_type="image/png")
        return {"both": [TextContent(type="text", text="here"), picture], "none": [], "words": ["a", "b"]}[kind]

    async def main() -> Any:
        async with Client(server) as client:
            with Codemode() as codemode:
                for each in await mcp_tools(client):
                    codemode.registry.register_tool(each)
                code = "[tools.draw(kind=kind) for kind in ('both', 'none', 'words')]"
                return (await codemode.execute_async(code)).raise_for_error().result

    both, none, words = asyncio.run(main())
    assert both[0] == "here" and both[1]["mimeType"] == "image/png" and both[1]["data"] == "aGk="
    assert none == "" and words == "a\nb"


def test_every_page_of_a_servers_list_is_read() -> None:
    class Pages:
        async def list_tools(self, *, cursor: str | None = None) -> ListToolsResult:
            page = int(cursor or 0)
            tool = Tool(name=f"tool_{page}", description="A tool.", input_schema={"type": "object"})
            return ListToolsResult(tools=[tool], next_cursor=str(page + 1) if page < 2 else None)

    assert [tool.name for tool in asyncio.run(mcp_tools(Pages()))] == ["tool_0", "tool_1", "tool_2"]


def test_what_cannot_be_called_is_told_how_it_can() -> None:
    described = Tool(name="price", description="Price.", input_schema={"type": "object"})
    with pytest.raises(
        RegistryError, match=r"'price' is only a description.*await codemode.tools.mcp_tools\(session\)"
    ):
        ComponentRegistry().register_tool(described)
