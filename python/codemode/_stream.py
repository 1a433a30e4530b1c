"""An execution as a stream of events. Whoever leaves the stream early ends the execution."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import TYPE_CHECKING

from codemode._call import Call, Sinks
from codemode._connection import Connection
from codemode._errors import CodemodeError
from codemode._fork import track
from codemode._registry import Registry
from codemode._result import ExecutionResult
from codemode.events import Event, Finished, Stderr, Stdout, ToolCallStarted, ToolEvent, ToolProgress

if TYPE_CHECKING:
    from codemode._native import NativeExecution, RawResult

# How far a reader may be behind. Then output waits, and with it the code; of progress only the latest is kept.
_ROOM = 256
# Calls that the reader has not seen yet, whose arguments may be large: then further ones wait before they begin.
_CALLS = 32
# Characters of output in one event; less where the reader keeps up.
_PIECE = 64 << 10


class _Piece:
    """Output that nobody has read yet."""

    def __init__(self, kind: type[Stdout] | type[Stderr], text: str) -> None:
        self.kind = kind
        self.texts = [text]
        self.size = len(text)

    def event(self) -> Stdout | Stderr:
        return self.kind("".join(self.texts))


class Channel:
    """Carries events from native threads to one reader, which blocks or awaits."""

    def __init__(self) -> None:
        self._waiting: deque[_Piece | ToolEvent] = deque()
        self._outcome: tuple[RawResult | None, BaseException | None] | None = None
        self._left = False
        # Its lock is reentrant: a stream that is collected in the middle of this ends its execution in the same thread.
        self._changed = threading.Condition()
        self._wake: Callable[[], object] | None = None

    # For those who tell

    def sinks(self) -> Sinks:
        return Sinks(self.stdout, self.stderr, self.tell)

    def stdout(self, text: str) -> None:
        self._print(Stdout, text)

    def stderr(self, text: str) -> None:
        self._print(Stderr, text)

    def tell(self, event: ToolEvent) -> None:
        """Waits for the reader at the start of a call, in the call's own thread. The rest may be told on the loop that
        reads, so it never waits.
        """
        with self._changed:
            while isinstance(event, ToolCallStarted) and self._has_many_calls():
                self._changed.wait()
            if self._left:
                return
            if isinstance(event, ToolProgress) and len(self._waiting) >= _ROOM and self._replaced(event):
                return
            self._waiting.append(event)
            self._notify()

    def done(self, raw: RawResult | None, error: BaseException | None) -> None:
        with self._changed:
            self._outcome = raw, error
            self._notify()

    def after_fork_in_child(self) -> None:
        """Whoever told is not here."""
        self._changed = threading.Condition()
        self._waiting.clear()
        words = "this stream belongs to the process that began it; a forked process needs one of its own"
        self._outcome = None, CodemodeError(words, code="forked")

    # For the reader

    def begin(self) -> None:
        self._outcome = None

    def leave(self) -> None:
        """Nobody reads any more: whoever waits for room goes on."""
        with self._changed:
            self._left = True
            self._waiting.clear()
            self._changed.notify_all()

    def take(self) -> Event | None:
        """Waits for the next event; None at the end of the execution."""
        with self._changed:
            self._changed.wait_for(self._is_ready)
            return self._next()

    async def take_async(self) -> Event | None:
        loop = asyncio.get_running_loop()
        while True:
            with self._changed:
                if self._is_ready():
                    return self._next()
                woken = loop.create_future()
                self._wake = functools.partial(loop.call_soon_threadsafe, _settle, woken)
            await woken

    def rest(self) -> Iterator[Event]:
        """What came with the end of the execution."""
        while True:
            with self._changed:
                event = self._next()
            if event is None:
                return
            yield event

    def outcome(self) -> RawResult:
        """What the execution came to, after its end; raises what it failed with."""
        raw, error = self._outcome or (None, None)
        if error is not None:
            raise error
        return raw or {}

    def _print(self, kind: type[Stdout] | type[Stderr], text: str) -> None:
        with self._changed:
            while not self._left:
                last = self._waiting[-1] if self._waiting else None
                if isinstance(last, _Piece) and last.kind is kind and last.size + len(text) <= _PIECE:
                    last.texts.append(text)
                    last.size += len(text)
                    return
                if len(self._waiting) < _ROOM:
                    self._waiting.append(_Piece(kind, text))
                    self._notify()
                    return
                self._changed.wait()

    def _has_many_calls(self) -> bool:
        if self._left or self._outcome is not None:
            return False
        return sum(isinstance(event, ToolCallStarted) for event in self._waiting) >= _CALLS

    def _replaced(self, progress: ToolProgress) -> bool:
        """The reader is far behind: of one call it gets the latest progress only."""
        for index, event in enumerate(self._waiting):
            if isinstance(event, ToolProgress) and event.call_id == progress.call_id:
                self._waiting[index] = progress
                return True
        return False

    def _is_ready(self) -> bool:
        return bool(self._waiting) or self._outcome is not None

    def _next(self) -> Event | None:
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        self._changed.notify_all()
        return event.event() if isinstance(event, _Piece) else event

    def _notify(self) -> None:
        self._changed.notify_all()
        wake, self._wake = self._wake, None
        if wake is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
                wake()


def stream(connection: Connection, registry: Registry, call: Call, channel: Channel) -> Generator[Event, None, None]:
    connection.lifecycle.open(registry, connection.loop.run)
    with call:
        for pause in call.settings.pauses():
            with _Attempt(connection, call, channel):
                while (event := channel.take()) is not None:
                    yield event
            if (result := _result(call, channel, pause)) is not None:
                yield from channel.rest()
                yield Finished(result)
                return
            time.sleep(pause or 0)


async def stream_async(
    connection: Connection, registry: Registry, call: Call, channel: Channel
) -> AsyncGenerator[Event, None]:
    await connection.lifecycle.open_async(registry)
    with call:
        for pause in call.settings.pauses():
            with _Attempt(connection, call, channel):
                while (event := await channel.take_async()) is not None:
                    yield event
            if (result := _result(call, channel, pause)) is not None:
                for event in channel.rest():
                    yield event
                yield Finished(result)
                return
            await asyncio.sleep(pause or 0)


class _Attempt:
    """Submits the execution; leaving before its end, by whatever way, cancels it."""

    def __init__(self, connection: Connection, call: Call, channel: Channel) -> None:
        self._native, self._call, self._channel = connection.native, call, channel
        self._execution: NativeExecution | None = None

    def __enter__(self) -> None:
        self._channel.begin()
        call, channel = self._call, self._channel
        try:
            self._execution = self._native.submit(call.request, call.dispatcher, channel.done, call.output)
        except Exception as error:  # sorted by `_result`, like those that come later
            channel.done(None, error)
        track(self)

    def after_fork_in_child(self) -> None:
        """The execution stays the parent's."""
        self._execution = None
        self._channel.after_fork_in_child()
        self._call.dispatcher.after_fork_in_child()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._channel.leave()
            if self._execution is not None:
                self._execution.cancel()


def _result(call: Call, channel: Channel, pause: float | None) -> ExecutionResult | None:
    """None: it did not begin and is to be tried again."""
    try:
        return call.finished(channel.outcome())
    except Exception as error:  # sorted by `refused`
        if pause is not None and call.may_repeat(error):
            return None
        return call.refused(error)


def _settle(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
