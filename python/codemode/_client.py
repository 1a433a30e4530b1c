"""`Codemode` and `AsyncCodemode`: two ways to wait for the same thing."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from codemode import _checks
from codemode._adapters import Adapters
from codemode._approval import OnApproval
from codemode._call import ARTIFACT_BYTES, EventSink, Names, Options, Rules, Sinks, TextSink, call_here
from codemode._connection import Connection, Policy, embed, opened
from codemode._context import RuntimeContext, overlay
from codemode._errors import (
    CodemodeError,
    ConfigError,
    ExecutorConnectionError,
    ExecutorOverloaded,
    ExecutorTimeoutError,
    from_native,
)
from codemode._executions import Executions
from codemode._read_config import known, read
from codemode._registry import ComponentRegistry, Registry, ScopedRegistry
from codemode._result import ExecutionResult
from codemode._run import run
from codemode._settings import Settings
from codemode._stream import Channel, stream
from codemode.events import Event

if TYPE_CHECKING:
    from typing_extensions import Never, Self

    from codemode.config import ClientConfig

_UNREACHABLE = (ExecutorConnectionError, ExecutorTimeoutError, ExecutorOverloaded)


class _Client(Executions):
    """Without a configuration: the executor of CODEMODE_EXECUTOR_URL, or a private one started on first use."""

    def __init__(
        self,
        config: ClientConfig | Mapping[str, Any] | None = None,
        *,
        registry: Registry | None = None,
        on_approval: OnApproval | None = None,
        **misplaced: Never,
    ) -> None:
        if misplaced:
            raise _misplaced(type(self).__name__, misplaced)
        config = _config_from_environment() if config is None else _config_from(config)
        settings = Settings() if config is None else config.settings()
        self._attach(opened(config), settings, registry, on_approval)

    @classmethod
    def from_client_config(
        cls,
        config: ClientConfig | Mapping[str, Any] | None = None,
        registry: Registry | None = None,
        config_path: str | os.PathLike[str] | None = None,
        *,
        on_approval: OnApproval | None = None,
    ) -> Self:
        """From a `ClientConfig`, from its keys as a mapping, or from a YAML file; without any, from the environment."""
        if config_path is None:
            return cls(config, registry=registry, on_approval=on_approval)
        if config is not None:
            raise ConfigError("config and config_path are both given; give one of them")
        return cls.from_config(config_path, registry, on_approval=on_approval)

    @classmethod
    def from_config(
        cls,
        config_path: str | os.PathLike[str],
        registry: Registry | None = None,
        *,
        on_approval: OnApproval | None = None,
    ) -> Self:
        """From a YAML file, which may be one that an executor reads as well.

        The CODEMODE_* variables win over the `.env` beside the file, and that over the file. Relative paths begin at
        the file's folder. A private executor holds the policy's blocks; one behind `executor_url` is asked to narrow
        its own policy to them, and what is wider is a `ConfigError` at the first use.
        """
        from codemode.config import ClientConfig

        return cls(ClientConfig.from_yaml(config_path), registry=registry, on_approval=on_approval)

    @classmethod
    def from_dict(
        cls,
        config_dict: Mapping[str, Any],
        registry: Registry | None = None,
        *,
        on_approval: OnApproval | None = None,
    ) -> Self:
        """From the keys of the YAML file. Relative paths begin at the working directory."""
        return cls(config_dict, registry=registry, on_approval=on_approval)

    @classmethod
    def from_env(
        cls,
        registry: Registry | None = None,
        *,
        dotenv: str | os.PathLike[str] | None = None,
        on_approval: OnApproval | None = None,
    ) -> Self:
        """From the CODEMODE_* variables, and from the file `dotenv` where one of them is not set; a private executor
        where they name no URL.

        No `.env` is read unless it is named: whoever writes it names the executor that tools and code are given to.
        """
        if dotenv is None:
            return cls(registry=registry, on_approval=on_approval)
        from codemode.config import ClientConfig

        return cls(ClientConfig.from_env(dotenv=dotenv), registry=registry, on_approval=on_approval)

    @classmethod
    def local(
        cls, policy: Policy = None, *, registry: Registry | None = None, on_approval: OnApproval | None = None
    ) -> Self:
        """A private executor under this policy: a dict in the shape of the YAML file, or the path of one.

        Relative mounts are relative to the working directory for a dict, to the file for a path.
        """
        self = cls.__new__(cls)
        self._attach(embed(policy), Settings(), registry, on_approval)
        return self

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

    def _attach(
        self,
        connection: Connection,
        settings: Settings,
        registry: Registry | None,
        on_approval: OnApproval | None = None,
    ) -> None:
        self._connection = connection
        self._on_approval = _checks.function(on_approval, "on_approval")
        self._settings = settings
        self._registry = ComponentRegistry() if registry is None else _checked(registry)
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

    def _lets_go(self) -> bool:
        """Marks this client as closed; whether the connection is to be closed with it."""
        self._is_closed = True
        self._connection.handles.discard(self)
        return not self._is_copy or not self._connection.handles

    def _is_healthy(self) -> bool:
        return _reachable(self._open().native.health)

    def _is_ready(self) -> bool:
        return _reachable(lambda: bool(self._open().native.info()))


class Codemode(_Client, Adapters):
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
        """Runs the code in a fresh sandbox.

        `execution_timeout` is this execution's `code_timeout` in seconds: time spent in tools does not count.
        `tool_filter` names the only tools it may call. `on_stdout` and `on_stderr` receive output as it comes,
        `on_tool_call` the tool events of `codemode.events`, in other threads. `max_tool_calls` lowers the
        executor's limit; without `check_tools` code runs although it calls tools that do not exist. `artifact_bytes` of
        artifacts' contents come with the result. What the code does wrong is in the result; with `check` it raises
        `ExecutionFailed`.

        `variables` are names that the code finds at its top, with values as a tool's. With `keep_variables` the names
        at its top come back in the result, also after an error: all values but functions, classes, modules and what
        cannot be carried. With `bare_tools` each tool is a function of its own name as well.

        `on_approval`, in place of the client's, gets an `ApprovalRequest` for each call that needs consent, in the
        call's thread. It returns a bool, an `ApprovalDecision`, or an awaitable of one, which runs on the loop of the
        async tools and holds no thread. Without one, and when it fails, such calls are denied.

        `environment` names one of the executor's `guest.environments`: the code runs in that interpreter, with what it
        has preloaded. The first execution there waits for its start.
        """
        rules = Rules(on_approval, max_tool_calls, check_tools, artifact_bytes)
        sinks = Sinks(on_stdout, on_stderr, on_tool_call)
        names = Names(variables, keep_variables, bare_tools)
        options = Options(
            execution_timeout, tool_filter, context, config, correlation_id, rules, sinks, names, environment
        )
        result = self._execute(code, options)
        return result.raise_for_error() if check else result

    def stream(
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
    ) -> Generator[Event, None, None]:
        """Runs the code when the first event is asked for, and yields what happens; the last event is `Finished`.

        The parameters are those of `execute`. Leaving the loop early, or closing the iterator, ends the execution.
        While nobody asks for events the code may have to wait, and its time goes on. An executor that cannot be
        reached, or a connection that breaks, raises here.
        """
        channel = Channel()
        rules = Rules(on_approval, max_tool_calls, check_tools, artifact_bytes)
        sinks = channel.sinks()
        names = Names(variables, keep_variables, bare_tools)
        options = Options(
            execution_timeout, tool_filter, context, config, correlation_id, rules, sinks, names, environment
        )
        connection = self._open_here("stream", "async for … in client.stream_async(…)")
        call = self._call(code, options, connection.loop.get, call_here)
        return stream(connection, self._registry, call, channel)

    def prompt(self, tool_filter: Iterable[str] | None = None, environment: str | None = None) -> str:
        """The text that tells a model how to write code for this client: its tools, and what the executor's real
        configuration allows (folders, commands, network, packages, limits).

        `environment`: for code that runs there. The same tools and configuration give the same text, byte for byte. It
        connects, or starts the private executor.
        """
        return self._prompt(tool_filter, environment)

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
        connection = self._open_here("execute", "await client.execute_async(…)")
        connection.lifecycle.open(self._registry, connection.loop.run)
        return run(connection, self._call(code, options, connection.loop.get, call_here))

    def _open_here(self, method: str, instead: str) -> Connection:
        connection = self._open()
        if connection.loop.is_here():
            raise CodemodeError(
                f"{method}() would block the event loop that runs this client's async tools; "
                f"in an async tool write `{instead}`",
                code="would_block",
            )
        return connection


class AsyncCodemode(_Client):
    """`Codemode` for asyncio: async tools run on the loop that awaits, sync ones in threads.

    >>> async with AsyncCodemode() as codemode:
    ...     print(await codemode.execute("2 + 2"))
    """

    # The same, under the names that one expects of an asynchronous client.
    execute = _Client.execute_async
    stream = _Client.stream_async

    async def prompt(self, tool_filter: Iterable[str] | None = None, environment: str | None = None) -> str:
        """As `Codemode.prompt`."""
        return await asyncio.to_thread(self._prompt, tool_filter, environment)

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


def _config_from_environment() -> ClientConfig | None:
    """None where no variable is set: then pydantic need not be imported for it."""
    settings = read("client", environ=os.environ)
    if not settings["set"]:
        return None
    from codemode.config import ClientConfig

    return ClientConfig.of(settings)


def _config_from(config: ClientConfig | Mapping[str, Any]) -> ClientConfig:
    """What people pass first is an address or a registry: they are told what to write."""
    if isinstance(config, (ComponentRegistry, ScopedRegistry)):
        raise TypeError("the first argument is the configuration; pass a registry as registry=…")
    if isinstance(config, (str, os.PathLike)):
        raise ConfigError(
            f"the first argument is the configuration, got {type(config).__name__}; "
            "pass ClientConfig(executor_url=…), or write Codemode.from_config(path) for a file"
        )
    from codemode.config import ClientConfig

    return ClientConfig.model_validate(config)


def _checked(registry: Registry) -> Registry:
    if not isinstance(registry, (ComponentRegistry, ScopedRegistry)):
        raise TypeError(f"registry must be a ComponentRegistry or a view of one, got {type(registry).__name__}")
    return registry


def _misplaced(name: str, arguments: Mapping[str, Any]) -> Exception:
    given = ", ".join(f"{key}=…" for key in arguments)
    if set(arguments) <= known("client"):
        return ConfigError(f"settings are given as one value: write {name}(ClientConfig({given}))")
    if set(arguments) == {"policy"}:
        return ConfigError(f"a policy is for an executor of one's own: write {name}.local(…)")
    return TypeError(f"{name}() takes a configuration and registry=…, but got {given}")


def _reachable(probe: Callable[[], bool]) -> bool:
    try:
        return probe()
    except Exception as error:  # what is no NativeError is raised as it is
        public = from_native(error)
        if isinstance(public, _UNREACHABLE):
            return False
        raise public from None
