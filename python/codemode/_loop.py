"""An event loop in a thread of its own, for async tools of the synchronous client."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
# Loops inherited over a fork. Their thread does not exist here, and closing one would take its descriptors out of the
# epoll set that the parent still uses: they are kept, untouched, for the life of the child.
_inherited: list[asyncio.AbstractEventLoop] = []


class BackgroundLoop:
    """Starts on first use; `stop` cancels what still runs, and nothing starts after it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._stopped:  # a late call must not start a thread that nobody ends
                raise RuntimeError("the client is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a tool that never ends must not keep the application from exiting.
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="codemode-async-tools", daemon=True
                )
                self._thread.start()
            return self._loop

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Runs it to its end on the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.get()).result()

    def is_here(self) -> bool:
        """Whether the caller runs on the loop: then it must not wait for anything the loop does."""
        return self._thread is not None and self._thread is threading.current_thread()

    def stop(self, wait: bool = True) -> None:
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self._stopped = True
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if wait and thread is not threading.current_thread():
            thread.join(timeout=5)

    def after_fork_in_child(self) -> None:
        if self._loop is not None:
            _inherited.append(self._loop)
        self._loop = self._thread = None
        self._lock = threading.Lock()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        _run_until_stopped(loop)
        loop.run_until_complete(asyncio.sleep(0))  # what was handed in last becomes a task
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            return loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            # Somebody's coroutine ended itself with it. Whoever waits for that one gets it; the others go on.
            continue


async def finish(awaitable: Awaitable[_T]) -> _T:
    """A coroutine, which loops ask for, from anything that can be awaited."""
    return await awaitable


def discard(awaitable: object) -> None:
    """Closes a coroutine that nobody came to await, or Python warns of it. One that has begun is left alone."""
    if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) == inspect.CORO_CREATED:
        awaitable.close()
