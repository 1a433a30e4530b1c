"""One execution on its way: the request, its tools, its output."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import functools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from codemode import _checks, _values
from codemode._approval import OnApproval
from codemode._context import RuntimeContext, overlay
from codemode._dispatch import Dispatcher
from codemode._errors import CodemodeError, from_native
from codemode._result import ExecutionResult, rejected, result_from_raw
from codemode._settings import Settings
from codemode._watch import Watch
from codemode.events import ToolEvent

if TYPE_CHECKING:
    from codemode._native import RawRequest
    from codemode._tool import ToolEntry

# Refusals that blame the code itself: they become a result, like every other fault of the code.
_CODE_REFUSALS = frozenset({"invalid_code", "code_too_long"})
_log = logging.getLogger("codemode")

TextSink = Callable[[str], object]
EventSink = Callable[[ToolEvent], object]
# Calls an application's function with what it is to be told, where and when the client wants it called.
Deliver = Callable[[Callable[[Any], object], Any], object]

# The contents of artifacts that come with a result: as much as an executor hands out unless it is told otherwise.
ARTIFACT_BYTES = 16 << 20


class Rules(NamedTuple):
    """What one execution may do with tools, and what of its artifacts it brings back."""

    on_approval: OnApproval | None
    max_tool_calls: int | None
    check_tools: bool
    artifact_bytes: int


class Names(NamedTuple):
    """What the code finds in `__main__` beside `tools`, and whether what it leaves there comes back."""

    variables: Mapping[str, Any] | None = None
    keep_variables: bool = False
    bare_tools: bool = False


class Sinks(NamedTuple):
    """The application's functions that are told what happens."""

    on_stdout: TextSink | None
    on_stderr: TextSink | None
    on_tool_call: EventSink | None


class Options(NamedTuple):
    """What `execute` was told about one execution."""

    execution_timeout: float | None
    tool_filter: Iterable[str] | None
    context: RuntimeContext | Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    correlation_id: str | None
    rules: Rules
    sinks: Sinks
    names: Names
    environment: str | None


class Scene(NamedTuple):
    """What an execution finds: the application's tools and values, and where its functions run."""

    entries: Mapping[str, ToolEntry]
    context: RuntimeContext
    config: Mapping[str, Any]
    on_approval: OnApproval | None
    loop: Callable[[], asyncio.AbstractEventLoop]
    deliver: Deliver


@dataclass(slots=True, eq=False)
class Call:
    """Leaving its `with` block, by whatever way, cancels the tools that still run."""

    request: RawRequest
    dispatcher: Dispatcher
    settings: Settings
    output: Output | None

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.dispatcher.close()

    def finished(self, raw: Mapping[str, Any]) -> ExecutionResult:
        if self.output:
            self.output.end()
        own = self.dispatcher
        # What has not begun by now never does.
        own.close(timed_out=[record["name"] for record in raw["tool_calls"] if record["status"] == "timeout"])
        limit = self.settings.traceback_limit
        return result_from_raw(raw, warnings=own.warnings, traceback_limit=limit, begun=own.begun, denied=own.denied)

    def refused(self, error: BaseException) -> ExecutionResult:
        """The result if the code is to blame; otherwise raises the public exception."""
        public = from_native(error)
        if isinstance(public, CodemodeError) and public.code in _CODE_REFUSALS:
            return rejected(public, self.request.get("correlation_id", ""))
        if public is error:
            raise error
        raise public from None

    def may_repeat(self, error: BaseException) -> bool:
        """Whether nothing of it can have run yet."""
        if self.dispatcher.used or (self.output and self.output.used):
            return False
        return bool(getattr(from_native(error), "retryable", False))


def make_call(code: str | bytes, options: Options, scene: Scene, settings: Settings) -> Call:
    """Checks all that `execute` was given."""
    context, config, rules, sinks, names = scene.context, scene.config, options.rules, options.sinks, options.names
    if (given := options.context) is not None:
        if not isinstance(given, RuntimeContext):
            given = _checks.mapping(given, "context", "a RuntimeContext or a mapping of variables")
        context = overlay(context, given)
    variables = _checks.variables(names.variables)
    if options.config is not None:
        config = {**config, **_checks.mapping(options.config, "config")}
    on_approval = _checks.function(rules.on_approval, "on_approval") or scene.on_approval
    for name, sink in zip(sinks._fields, sinks, strict=True):
        _checks.function(sink, name)
    tell = functools.partial(scene.deliver, sinks.on_tool_call) if sinks.on_tool_call else None
    dispatcher = Dispatcher(scene.entries, context, scene.loop, on_approval, Watch(tell))
    least_one, least_none = "a number of calls, 1 or more", "a number of bytes, 0 or more"
    request: RawRequest = {
        "code": _checks.source(code),
        "tools": [entry.spec for entry in scene.entries.values()],
        # Metadata is for the application's own tools and stays with them.
        "context": _encoded(context.variables, "context", dispatcher),
        "config": _encoded(config, "config", dispatcher),
        "code_timeout": _checks.seconds(options.execution_timeout, "execution_timeout"),
        "check_tools": _checks.flag(rules.check_tools, "check_tools"),
        "variables": _encoded(variables, "variables", dispatcher),
        "keep_variables": _checks.flag(names.keep_variables, "keep_variables"),
        "bare_tools": _checks.flag(names.bare_tools, "bare_tools"),
        "artifact_bytes": _checks.count(rules.artifact_bytes, "artifact_bytes", least=0, what=least_none),
    }
    if rules.max_tool_calls is not None:
        request["max_tool_calls"] = _checks.count(rules.max_tool_calls, "max_tool_calls", least=1, what=least_one)
    if options.environment is not None:
        request["environment"] = _checks.word(options.environment, "environment")
    if correlation_id := options.correlation_id or settings.correlation_id():
        request["correlation_id"] = correlation_id
    if settings.max_code_length is not None:
        request["max_code_length"] = settings.max_code_length
    output = Output(sinks, scene.deliver) if sinks.on_stdout or sinks.on_stderr else None
    return Call(request, dispatcher, settings, output)


class Output:
    """Hands the streams on as text; a character that two chunks share arrives whole."""

    def __init__(self, sinks: Sinks, deliver: Deliver) -> None:
        self.used = False
        self._deliver = deliver
        decoder = codecs.getincrementaldecoder("utf-8")
        given = {1: sinks.on_stdout, 2: sinks.on_stderr}
        self._sinks = {stream: (sink, decoder("replace")) for stream, sink in given.items() if sink}

    def __call__(self, stream: int, data: bytes) -> None:
        self.used = True
        sink, decoder = self._sinks.get(stream, (None, None))
        if sink and decoder and (text := decoder.decode(data)):
            self._deliver(sink, text)

    def end(self) -> None:
        """What an unfinished character left behind. Called where `execute` returns."""
        for sink, decoder in self._sinks.values():
            if text := decoder.decode(b"", True):
                self._deliver(sink, text)


class Mailbox:
    """Calls the application's functions on a loop, in the order in which things happened."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: deque[tuple[Callable[[Any], object], Any]] = deque()

    def post(self, function: Callable[[Any], object], news: Any) -> None:
        self._posted.append((function, news))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self.deliver)

    def deliver(self) -> None:
        """On the loop. Before `execute` returns it delivers what the loop has not come to yet."""
        while self._posted:
            call_here(*self._posted.popleft())


def call_here(function: Callable[[Any], object], news: Any) -> None:
    """Calls the application's function in this thread; its failure is its own."""
    try:
        function(news)
    except (Exception, SystemExit):
        _log.exception("the callback %r failed", function)


def _encoded(value: Mapping[str, Any], what: str, dispatcher: Dispatcher) -> bytes:
    """Nothing for an empty mapping, which is what an executor reads there."""
    if not value:
        return b""
    encoded, warnings = _values.encode(dict(value), root=what, reprs=False)
    dispatcher.warnings += warnings
    return encoded
