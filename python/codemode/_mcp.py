"""Tools of MCP: those that a session offers, and FastMCP's own objects. Nothing of MCP is imported for it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import Any

from codemode._errors import RegistryError, ToolError
from codemode._form import Form, converted, method, signature_of
from codemode.tools import Tool


class SessionTool(Tool):
    """A tool of a server. It is called on the event loop on which the session lives, whoever's loop asks."""

    def __init__(self, session: Any, described: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.name = described.name
        self.description = described.description or getattr(described, "title", None) or ""
        self.input_schema = _either(described, "input_schema", "inputSchema")  # type: ignore[misc]
        self.output_schema = _either(described, "output_schema", "outputSchema")  # type: ignore[misc]
        self._session, self._loop, self._remote_name = session, loop, described.name

    async def execute(self, **arguments: Any) -> Any:
        return _value(await self._there(arguments))

    async def _there(self, arguments: dict[str, Any]) -> Any:
        if asyncio.get_running_loop() is self._loop:
            return await self._session.call_tool(self._remote_name, arguments)
        if not self._loop.is_running():
            raise ToolError("the MCP session cannot be reached: its event loop does not run")
        call = self._session.call_tool(self._remote_name, arguments)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))


async def tools_of(session: Any) -> list[Tool]:
    """Of each page that the server has."""
    loop = asyncio.get_running_loop()
    if not method(session, "list_tools"):
        raise RegistryError(f"mcp_tools needs a connected session or client of MCP, got {session!r}")
    answer = await session.list_tools()
    if isinstance(answer, list):  # of FastMCP's client, which asks for all pages
        return [SessionTool(session, described, loop) for described in answer]
    found, seen = list(answer.tools), set()
    while (cursor := _either(answer, "next_cursor", "nextCursor")) and cursor not in seen:
        seen.add(cursor)
        answer = await session.list_tools(**_page(session, cursor))
        found += answer.tools
    return [SessionTool(session, described, loop) for described in found]


def form_of(component: Any) -> Form | None:
    """FastMCP's tools, whose `run` wants one mapping. What only describes a tool is told how it can be called."""
    run, schema = method(component, "run"), getattr(component, "parameters", None)
    if _is_description(component):
        raise RegistryError(
            f"the MCP tool {component.name!r} is only a description: its session calls it. Register what "
            "`await codemode.tools.mcp_tools(session)` gives"
        )
    if isinstance(schema, Mapping) and hasattr(component, "fn_metadata"):
        raise RegistryError(f"{component.name!r} is a tool inside of an MCP server; register its function (its `fn`)")
    if run is None or not isinstance(schema, Mapping) or not method(component, "to_mcp_tool"):
        return None
    return Form(
        method(component, "fn") or _undescribed,
        lambda arguments, _: converted(lambda: run(dict(arguments)), _value, is_async=True),
        True,
        schema=schema,
        output=getattr(component, "output_schema", None),
    )


def content_value(content: Any) -> Any:
    """Text where there is nothing else, or a list with text and, of pictures and the like, mappings."""
    if not isinstance(content, list):
        return content
    parts = [
        block["text"] if isinstance(block, Mapping) and block.get("type") == "text" else block for block in content
    ]
    return "\n".join(parts) if all(isinstance(part, str) for part in parts) else parts


def _value(result: Any) -> Any:
    """What the output schema describes, or the content."""
    if _either(result, "input_required") is not None:
        raise ToolError("the tool asks its client for something, and code cannot answer")
    content = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]
    if _either(result, "is_error", "isError"):
        raise ToolError(str(content_value(content)))
    structured = _either(result, "structured_content", "structuredContent")
    return content_value(content) if structured is None else structured


def _page(session: Any, cursor: str) -> dict[str, Any]:
    """The client of MCP's second SDK takes a cursor; a session takes what holds one."""
    signature = signature_of(session.list_tools)
    if signature and "params" not in signature.parameters:
        return {"cursor": cursor}
    return {"params": importlib.import_module("mcp.types").PaginatedRequestParams(cursor=cursor)}


def _is_description(component: Any) -> bool:
    has_schema = isinstance(_either(component, "input_schema", "inputSchema"), Mapping)
    can_be_called = callable(component) or any(method(component, name) for name in ("execute", "run", "_run", "invoke"))
    return has_schema and isinstance(getattr(component, "name", None), str) and not can_be_called


def _undescribed(**_: Any) -> None: ...


def _either(component: Any, *names: str) -> Any:
    """The second SDK of MCP and the first spell names in two ways."""
    return next((getattr(component, name) for name in names if hasattr(component, name)), None)
