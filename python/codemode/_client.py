"""`Codemode` and `AsyncCodemode`: two ways to wait for the same thing."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from codemode import _env, _values
from codemode._call import Call, Options, Output, TextSink, call_here, mapping, names, seconds, source
from codemode._connection import Connection, Policy, connect, embed
from codemode._context import RuntimeContext, overlay
from codemode._dispatch import Dispatcher
from codemode._errors import (
    CodemodeError,
    ConfigError,
    ExecutorConnectionError,
    ExecutorOverloaded,
    ExecutorTimeoutError,
    from_native,
)
from codemode._registry import ComponentRegistry, Registry, ScopedRegistry, pick
from codemode._result import ExecutionResult
from codemode._settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Never, Self

    from codemode._native import RawRequest, RawResult
    from codemode.config import ClientConfig

_UNREACHABLE = (ExecutorConnectionError, ExecutorTimeoutError, ExecutorOverloaded)


class _Client:
    """Without a configuration: the executor of CODEMODE_EXECUTOR_URL, or a private one started on first use."""

    def __init__(
        self,
        config: ClientConfig | Mapping[str, Any] | None = None,
        *,
        registry: Registry | None = None,
        **misplaced: Never,
    ) -> None:
        if misplaced:
            raise _misplaced(type(self).__name__, misplaced)
        config = _config_from_environment() if config is None else _config_from(config)
        if config is None:
            self._attach(embed(), Settings(), registry)
        elif config.executor_url is None:
            config.check_embedded()
            self._attach(embed(timeout=config.timeout), config.settings(), registry)
        else:
            self._attach(connect(config), config.settings(), registry)

    @classmethod
    def from_client_config(cls, config: ClientConfig | Mapping[str, Any], registry: Registry | None = None) -> Self:
        """From a `ClientConfig`, or from its keys as a mapping."""
        return cls(_config_from(config), registry=registry)

    @classmethod
    def from_env(cls, registry: Registry | None = None) -> Self:
        """From the CODEMODE_* variables; a private executor where they name no URL."""
        return cls(registry=registry)

    @classmethod
    def local(cls, policy: Policy = None, *, registry: Registry | None = None) -> Self:
        """A private executor under this policy: a dict in the shape of the YAML file, or the path of one.

        Relative mounts are relative to the working directory for a dict, to the file for a path.
        """
        self = cls.__new__(cls)
        self._attach(embed(policy), Settings(), registry)
        return self

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
    ) -> ExecutionResult:
        """Runs the code in a fresh sandbox without blocking the event loop, which also runs the async tools.

        The parameters are those of `Codemode.execute`; output callbacks run on the loop. Cancelling the task stops
        the code.
        """
        options = Options(execution_timeout, tool_filter, context, config, correlation_id, on_stdout, on_stderr)
        result = await self._execute_async(code, options)
        return result.raise_for_error() if check else result

    @property
    def registry(self) -> ComponentRegistry:
        """What this client offers to code: the registry it was given (a view, if that was a `ScopedRegistry`)."""
        # Declared as what it nearly always is, or `codemode.registry.register_tool(…)` would not type-check.
        return cast(ComponentRegistry, self._registry)

    def with_context(self, **variables: Any) -> Self:
        """A copy on the same connection whose tools and code see these context variables too."""
        return self._copy(context=overlay(self._context, variables))

    def with_config(self, **config: Any) -> Self:
        """A copy on the same connection whose code sees these `config` values too."""
        return self._copy(config={**self._config, **config})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._registry!r})"

    def _attach(self, connection: Connection, settings: Settings, registry: Registry | None) -> None:
        self._connection = connection
        self._settings = settings
        self._registry = ComponentRegistry() if registry is None else registry
        self._context = RuntimeContext()
        self._config: dict[str, Any] = {}
        self._is_copy = self._is_closed = False
        connection.handles.add(self)

    def _copy(self, *, context: RuntimeContext | None = None, config: dict[str, Any] | None = None) -> Self:
        twin = copy.copy(self)
        twin._context = context or self._context
        twin._config = self._config if config is None else config
        twin._is_copy = True
        self._connection.handles.add(twin)
        return twin

    def _open(self) -> Connection:
        if self._is_closed:
            raise CodemodeError("this client is closed; create a new one", code="closed")
        return self._connection

    def _lets_go(self) -> bool:
        """Marks this client as closed; whether the connection is to be closed with it."""
        self._is_closed = True
        self._connection.handles.discard(self)
        return not self._is_copy or not self._connection.handles

    def _call(
        self,
        code: str | bytes,
        options: Options,
        loop: Callable[[], asyncio.AbstractEventLoop],
        deliver: Callable[[TextSink, str], object],
    ) -> Call:
        entries = self._registry.entries()
        if (wanted := names(options.tool_filter)) is not None:
            entries = pick(entries, wanted)
        given = options.context
        if not isinstance(given, RuntimeContext):
            given = mapping(given, "context", "a RuntimeContext or a mapping of variables")
        context = overlay(self._registry.get_context(), self._context, given)
        config = {**self._registry.get_config(), **self._config, **mapping(options.config, "config")}
        dispatcher = Dispatcher(entries, context, loop)
        request: RawRequest = {
            "code": source(code),
            "tools": [entry.spec for entry in entries.values()],
            # Metadata is for the application's own tools and stays with them.
            "context": _encoded(context.variables, "context", dispatcher),
            "config": _encoded(config, "config", dispatcher),
            "code_timeout": seconds(options.execution_timeout, "execution_timeout"),
        }
        if correlation_id := options.correlation_id or self._settings.correlation_id():
            request["correlation_id"] = correlation_id
        if self._settings.max_code_length is not None:
            request["max_code_length"] = self._settings.max_code_length
        sinks = options.on_stdout, options.on_stderr
        return Call(request, dispatcher, self._settings, Output(*sinks, deliver) if any(sinks) else None)

    async def _execute_async(self, code: str | bytes, options: Options) -> ExecutionResult:
        connection, loop = self._open(), asyncio.get_running_loop()
        await connection.lifecycle.open_async(self._registry)
        call = self._call(code, options, lambda: loop, functools.partial(_deliver, loop))
        with call:
            for pause in self._settings.pauses():
                try:
                    return call.finished(await _submit(connection, call))
                except Exception as error:  # sorted by `refused`
                    if pause is None or not call.may_repeat(error):
                        return call.refused(error)
                    await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _is_healthy(self) -> bool:
        return _reachable(self._open().native.health)

    def _is_ready(self) -> bool:
        return _reachable(lambda: bool(self._open().native.info()))


class Codemode(_Client):
    """Runs code and waits for it. Safe to share: any number of threads may execute at once.

    >>> with Codemode() as codemode:
    ...     print(codemode.execute("2 + 2"))
    4
    """

    def execute(
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
    ) -> ExecutionResult:
        """Runs the code in a fresh sandbox.

        `execution_timeout` is this execution's `code_timeout` in seconds: time spent in tools does not count.
        `tool_filter` names the only tools it may call. `on_stdout` and `on_stderr` receive output as it comes, in
        another thread. What the code does wrong is in the result; with `check` it raises `ExecutionFailed`.
        """
        options = Options(execution_timeout, tool_filter, context, config, correlation_id, on_stdout, on_stderr)
        result = self._execute(code, options)
        return result.raise_for_error() if check else result

    def health_check(self) -> bool:
        """Whether the executor answers."""
        return self._is_healthy()

    def ready_check(self) -> bool:
        """Whether the executor lets this client in, so that `execute` can be expected to work."""
        return self._is_ready()

    def close(self) -> None:
        """Closes components and connection; closing twice is fine. A copy closes only itself."""
        if self._lets_go():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._lets_go():
            await self._connection.close_async()

    def _execute(self, code: str | bytes, options: Options) -> ExecutionResult:
        connection = self._open()
        if connection.loop.is_here():
            raise CodemodeError(
                "execute() would block the event loop that runs this client's async tools; "
                "in an async tool write `await client.execute_async(…)`",
                code="would_block",
            )
        native = connection.native
        connection.lifecycle.open(self._registry, connection.loop.run)
        call = self._call(code, options, connection.loop.get, call_here)
        with call:
            for pause in self._settings.pauses():
                try:
                    return call.finished(native.execute(call.request, call.dispatcher, call.output))
                except Exception as error:  # sorted by `refused`
                    if pause is None or not call.may_repeat(error):
                        return call.refused(error)
                    time.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")


class AsyncCodemode(_Client):
    """`Codemode` for asyncio: async tools run on the loop that awaits, sync ones in threads.

    >>> async with AsyncCodemode() as codemode:
    ...     print(await codemode.execute("2 + 2"))
    """

    # The same, under the name that one expects of an asynchronous client.
    execute = _Client.execute_async

    async def health_check(self) -> bool:
        """Whether the executor answers."""
        return await asyncio.to_thread(self._is_healthy)

    async def ready_check(self) -> bool:
        """Whether the executor lets this client in, so that `execute` can be expected to work."""
        return await asyncio.to_thread(self._is_ready)

    async def close(self) -> None:
        """Closes components and connection; closing twice is fine. A copy closes only itself."""
        if self._lets_go():
            await self._connection.close_async()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _deliver(loop: asyncio.AbstractEventLoop, sink: TextSink, text: str) -> None:
    """Calls an output callback on the loop."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(call_here, sink, text)


async def _submit(connection: Connection, call: Call) -> RawResult:
    """Waits for the native client without blocking the loop; cancellation reaches the sandbox."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[RawResult] = loop.create_future()

    def settle(raw: RawResult | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(raw or {})

    def on_done(raw: RawResult | None, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, raw, error)

    execution = connection.native.submit(call.request, call.dispatcher, on_done, call.output)
    try:
        return await answer
    except asyncio.CancelledError:
        execution.cancel()
        raise


def _config_from_environment() -> ClientConfig | None:
    """None where no variable is set: then pydantic need not be imported for it."""
    if not (values := _env.client_values()):
        return None
    from codemode.config import ClientConfig

    return ClientConfig.model_validate(values)


def _config_from(config: ClientConfig | Mapping[str, Any]) -> ClientConfig:
    """What people pass first is an address or a registry: they are told what to write."""
    if isinstance(config, (ComponentRegistry, ScopedRegistry)):
        raise TypeError("the first argument is the configuration; pass a registry as registry=…")
    if isinstance(config, (str, os.PathLike)):
        raise ConfigError(
            f"the first argument is the configuration, got {type(config).__name__}; "
            "pass ClientConfig(executor_url=…), or Codemode.local(path) for a policy file"
        )
    from codemode.config import ClientConfig

    return ClientConfig.model_validate(config)


def _misplaced(name: str, arguments: Mapping[str, Any]) -> Exception:
    from codemode.config import ClientConfig

    given = ", ".join(f"{key}=…" for key in arguments)
    if set(arguments) <= {*ClientConfig.model_fields, "executor_timeout"}:
        return ConfigError(f"settings are given as one value: write {name}(ClientConfig({given}))")
    if set(arguments) == {"policy"}:
        return ConfigError(f"a policy is for an executor of one's own: write {name}.local(…)")
    return TypeError(f"{name}() takes a configuration and registry=…, but got {given}")


def _encoded(value: Mapping[str, Any], what: str, dispatcher: Dispatcher) -> bytes:
    encoded, warnings = _values.encode(dict(value), root=what, reprs=False)
    dispatcher.warnings += warnings
    return encoded


def _reachable(probe: Callable[[], bool]) -> bool:
    try:
        return probe()
    except Exception as error:  # what is no NativeError is raised as it is
        public = from_native(error)
        if isinstance(public, _UNREACHABLE):
            return False
        raise public from None
