"""What both clients do with code: they run it to its end, or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codemode import _checks
from codemode._approval import OnApproval
from codemode._call import (
    ARTIFACT_BYTES,
    Call,
    Deliver,
    EventSink,
    Mailbox,
    Names,
    Options,
    Rules,
    Scene,
    Sinks,
    TextSink,
    call_here,
    make_call,
)
from codemode._connection import Connection
from codemode._context import RuntimeContext, overlay
from codemode._errors import CodemodeError, from_native
from codemode._registry import Registry, pick
from codemode._result import ExecutionResult
from codemode._run import run_async
from codemode._settings import Settings
from codemode._stream import Channel, stream_async
from codemode.events import Event

if TYPE_CHECKING:
    from codemode._tool import ToolEntry


class Executions:
    """The part of a client that knows neither where its settings come from nor how it is closed."""

    _connection: Connection
    _settings: Settings
    _registry: Registry
    _context: RuntimeContext
    _config: dict[str, Any]
    _on_approval: OnApproval | None
    _is_closed: bool

    async def execute_async(
        self,
        code: str | bytes,
        execution_timeout: float | None = None,
        tool_filter: Iterable[str] | None = None,
        *,
        context: RuntimeContext | Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        check: bool = False,
        on_stdout: TextSink | None = None,
        on_stderr: TextSink | None = None,
        on_tool_call: EventSink | None = None,
        on_approval: OnApproval | None = None,
        max_tool_calls: int | None = None,
        check_tools: bool = True,
        artifact_bytes: int = ARTIFACT_BYTES,
        variables: Mapping[str, Any] | None = None,
        keep_variables: bool = False,
        bare_tools: bool = False,
        environment: str | None = None,
    ) -> ExecutionResult:
        """Runs the code in a fresh sandbox without blocking the event loop, which also runs the async tools.

        The parameters are those of `Codemode.execute`; callbacks run on the loop, but a sync `on_approval` in a
        thread. Cancelling the task stops the code.
        """
        rules = Rules(on_approval, max_tool_calls, check_tools, artifact_bytes)
        sinks = Sinks(on_stdout, on_stderr, on_tool_call)
        names = Names(variables, keep_variables, bare_tools)
        options = Options(
            execution_timeout, tool_filter, context, config, correlation_id, rules, sinks, names, environment
        )
        result = await self._execute_async(code, options)
        return result.raise_for_error() if check else result

    def stream_async(
        self,
        code: str | bytes,
        execution_timeout: float | None = None,
        tool_filter: Iterable[str] | None = None,
        *,
        context: RuntimeContext | Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        on_approval: OnApproval | None = None,
        max_tool_calls: int | None = None,
        check_tools: bool = True,
        artifact_bytes: int = ARTIFACT_BYTES,
        variables: Mapping[str, Any] | None = None,
        keep_variables: bool = False,
        bare_tools: bool = False,
        environment: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """`Codemode.stream` for `async for`."""
        channel = Channel()
        rules = Rules(on_approval, max_tool_calls, check_tools, artifact_bytes)
        sinks = channel.sinks()
        names = Names(variables, keep_variables, bare_tools)
        options = Options(
            execution_timeout, tool_filter, context, config, correlation_id, rules, sinks, names, environment
        )
        connection, loop = self._open(), asyncio.get_running_loop()
        call = self._call(code, options, lambda: loop, call_here)
        return stream_async(connection, self._registry, call, channel)

    def _open(self) -> Connection:
        if self._is_closed:
            raise CodemodeError("this client is closed; create a new one", code="closed")
        return self._connection

    def _offered(self, tool_filter: Iterable[str] | None) -> Mapping[str, ToolEntry]:
        """The tools that code may call."""
        entries = self._registry.entries()
        wanted = _checks.names(tool_filter)
        return entries if wanted is None else pick(entries, wanted)

    def _prompt(self, tool_filter: Iterable[str] | None, environment: str | None) -> str:
        named = None if environment is None else _checks.word(environment, "environment")
        specs = [entry.spec for entry in self._offered(tool_filter).values()]
        try:
            return self._open().native.prompt(specs, named)
        except Exception as error:  # what is no NativeError is raised as it is
            raise from_native(error) from None

    def _call(
        self,
        code: str | bytes,
        options: Options,
        loop: Callable[[], asyncio.AbstractEventLoop],
        deliver: Deliver,
    ) -> Call:
        context = overlay(self._registry.get_context(), self._context)
        config = {**self._registry.get_config(), **self._config}
        entries = self._offered(options.tool_filter)
        scene = Scene(entries, context, config, self._on_approval, loop, deliver)
        return make_call(code, options, scene, self._settings)

    async def _execute_async(self, code: str | bytes, options: Options) -> ExecutionResult:
        connection, loop = self._open(), asyncio.get_running_loop()
        await connection.lifecycle.open_async(self._registry)
        mailbox = Mailbox(loop)
        return await run_async(connection, self._call(code, options, lambda: loop, mailbox.post), mailbox)
