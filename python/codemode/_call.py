"""One execution on its way: the request, its tools, its output."""

from __future__ import annotations

import codecs
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codemode._context import RuntimeContext
from codemode._dispatch import Dispatcher
from codemode._errors import CodemodeError, ConfigError, from_native
from codemode._explain import shown
from codemode._result import ExecutionResult, rejected, result_from_raw
from codemode._settings import Settings

if TYPE_CHECKING:
    from codemode._native import RawRequest

# Refusals that blame the code itself: they become a result, like every other fault of the code.
_CODE_REFUSALS = frozenset({"invalid_code", "code_too_long"})
_log = logging.getLogger("codemode")

TextSink = Callable[[str], object]
# Seconds. What is longer means the same to an executor, which has a ceiling of its own, and fits no clock.
_LONGEST = 1e9
_HUGE = int(sys.float_info.max)


@dataclass(frozen=True)
class Options:
    """What `execute` was told about one execution."""

    execution_timeout: float | None
    tool_filter: Iterable[str] | None
    context: RuntimeContext | Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    correlation_id: str | None
    on_stdout: TextSink | None
    on_stderr: TextSink | None


@dataclass(frozen=True)
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
        own.close()  # what has not begun by now never does
        limit = self.settings.traceback_limit
        return result_from_raw(raw, warnings=own.warnings, traceback_limit=limit, begun=own.begun)

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


class Output:
    """Hands the streams on as text; a character that two chunks share arrives whole.

    `deliver(sink, text)` calls the application's function, where and when the client wants it called.
    """

    def __init__(
        self, on_stdout: TextSink | None, on_stderr: TextSink | None, deliver: Callable[[TextSink, str], object]
    ) -> None:
        self.used = False
        self._deliver = deliver
        decoder = codecs.getincrementaldecoder("utf-8")
        sinks = {1: on_stdout, 2: on_stderr}
        self._sinks = {stream: (sink, decoder("replace")) for stream, sink in sinks.items() if sink}

    def __call__(self, stream: int, data: bytes) -> None:
        self.used = True
        sink, decoder = self._sinks.get(stream, (None, None))
        if sink and decoder and (text := decoder.decode(data)):
            self._deliver(sink, text)

    def end(self) -> None:
        """What an unfinished character left behind. Called where `execute` returns, after all that was delivered."""
        for sink, decoder in self._sinks.values():
            if text := decoder.decode(b"", True):
                call_here(sink, text)


def call_here(sink: TextSink, text: str) -> None:
    """For the synchronous client: calls the function in the native thread that received the output."""
    try:
        sink(text)
    except Exception:
        _log.exception("the output callback %r failed", sink)


def seconds(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, int) and abs(value) > _HUGE:
        raise ConfigError(f"{name} must be a positive number of seconds, got an int that no float can hold")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ConfigError(f"{name} must be a positive number of seconds, got {value!r}")
    return min(float(value), _LONGEST)


def names(tool_filter: Iterable[str] | None) -> list[str] | None:
    if tool_filter is None or isinstance(tool_filter, str):
        return None if tool_filter is None else [tool_filter]
    given = list(tool_filter) if isinstance(tool_filter, Iterable) else None
    if given is None:
        raise TypeError(f"tool_filter must name tools, as in ['weather'], got {type(tool_filter).__name__}")
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"tool_filter must name tools, as in ['weather']; one of its items is {shown(name)}")
    return given


def mapping(value: Mapping[str, Any] | None, name: str, what: str = "a mapping") -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} must be {what}, got {type(value).__name__}")
    return value or {}


def source(code: str | bytes) -> bytes:
    if isinstance(code, bytes):
        return code
    if not isinstance(code, str):
        raise TypeError(f"code must be str or bytes, got {type(code).__name__}")
    # Lone surrogates pass: the executor refuses what is not UTF-8, in the words it has for that.
    return code.encode("utf-8", "surrogatepass")
