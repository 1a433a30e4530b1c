"""Tool calls over the bridge: any number of threads and coroutines wait, at most one thread reads.

Leader and follower: who waits while nobody reads becomes the reader, hands others their answers, and passes the
reading on once it has its own. A single thread therefore needs no helper. Coroutines cannot read without blocking
their loop, so the first one starts the pump: one thread, kept for the rest of the execution, that reads while answers
for coroutines are outstanding.
"""

from __future__ import annotations

import _thread
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Sequence
    from typing import Any, Protocol, TypedDict

    Answer = tuple[bool, Any]

    class ToolSpec(TypedDict):
        name: str
        description: str
        input_schema: bytes | None
        output_schema: bytes | None
        is_async: bool
        has_context: bool

    class Start(TypedDict):
        code: str
        filename: str
        tools: Sequence[ToolSpec]
        context: bytes  # tagged JSON, or empty
        config: bytes
        allow_direct_execution: bool
        allowed_commands: Sequence[str]
        result_bytes: int
        value_bytes: int
        check_tools: bool
        variables: bytes  # tagged JSON of a mapping, or empty
        keep_variables: bool
        bare_tools: bool

    class Bridge(Protocol):
        """The native object. Blocking methods release the GIL; `EOFError` says that the executor is gone, and
        `ChildProcessError` that user code forked this process: the socket is its parent's."""

        roots: Sequence[str]  # what user code may open

        def start(self) -> Start: ...
        def send_call(self, name: str, arguments: bytes) -> int:
            """Thread-safe; the call's id."""

        def recv(self) -> tuple[int, bool, Any]:
            """The next answer: (call id, ok, value or failure as `values.decode` takes it). One thread at a time."""

        def finish(
            self,
            kind: str,
            exit_code: int,
            result: bytes | None,
            error: dict[str, Any] | None,
            warnings: list[str],
            variables: bytes | None,
        ) -> None: ...
        def violation(self, kind: str, detail: str) -> None: ...


class _Waiter:
    """A thread or a coroutine that waits for one answer. `wake` runs in the reading thread."""

    __slots__ = ("_future", "_lock", "_loop")

    def __init__(self, loop: AbstractEventLoop | None = None, future: Future[None] | None = None) -> None:
        self._loop = loop
        self._future = future
        self._lock = None if loop else _thread.allocate_lock()
        if self._lock:
            self._lock.acquire()

    @property
    def blocks(self) -> bool:
        return self._lock is not None

    def sleep(self) -> None:
        assert self._lock
        self._lock.acquire()

    def wake(self) -> None:
        if self._lock:
            if self._lock.locked():
                self._lock.release()
            return
        assert self._loop and self._future
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, self._future)


def _resolve(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Channel:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._lock = _thread.allocate_lock()  # guards everything below; never held while blocking
        self._answers: dict[int, Answer] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._forgotten: set[int] = set()
        self._reading = False
        self._gone: BaseException | None = None
        self._pump: _Waiter | None = None

    def send(self, name: str, arguments: bytes) -> int:
        try:  # noqa: SIM105 costs a third of it, and each call comes by here
            sys.stdout.flush()  # so that output stands before what the tool does
        except Exception:  # noqa: BLE001 whatever the code has put there
            pass
        return self._bridge.send_call(name, arguments)

    def wait(self, call: int) -> Answer:
        try:
            while True:
                with self._lock:
                    waiter = self._claim(call)
                if not waiter:
                    return self._take(call)
                if waiter is True:
                    if answer := self._read_until(call):
                        return answer
                else:
                    waiter.sleep()
        except BaseException:  # KeyboardInterrupt and the like: nobody will ask for this answer again
            self.forget(call)
            raise

    async def wait_async(self, call: int) -> Answer:
        from asyncio import get_running_loop

        loop = get_running_loop()
        future: Future[None] = loop.create_future()
        with self._lock:
            if call in self._answers or self._gone:
                return self._take(call)
            self._waiters[call] = _Waiter(loop, future)
        if not self._start_pump():
            return self.wait(call)
        try:
            await future
        except BaseException:
            self.forget(call)
            raise
        return self._take(call)

    def forget(self, call: int) -> None:
        with self._lock:
            self._waiters.pop(call, None)
            if self._answers.pop(call, None) is None:
                self._forgotten.add(call)
            if not self._reading:  # it may have been woken to read
                self._pass_on()

    # ---- under the lock

    def _claim(self, call: int) -> _Waiter | bool:
        """False: the answer is there. True: the caller reads. Else what to sleep on."""
        if call in self._answers or self._gone:
            self._waiters.pop(call, None)
            return False
        if not self._reading:
            self._waiters.pop(call, None)
            self._reading = True
            return True
        waiter = self._waiters.get(call)
        if waiter is None or not waiter.blocks:
            waiter = self._waiters[call] = _Waiter()
        return waiter

    def _deliver(self, call: int, answer: Answer) -> None:
        if call in self._forgotten:
            self._forgotten.discard(call)
            return
        self._answers[call] = answer
        waiter = self._waiters.get(call)
        if waiter:
            if not waiter.blocks:
                del self._waiters[call]
            waiter.wake()

    def _pass_on(self) -> None:
        """Nobody reads now: wake one who will, or everybody when there is nothing left to read."""
        self._reading = False
        if self._gone:
            for waiter in self._waiters.values():
                waiter.wake()
            return
        # Who has an answer already is on its way out and will not read.
        blocked = next((w for call, w in self._waiters.items() if w.blocks and call not in self._answers), None)
        if blocked:
            blocked.wake()
        elif self._waiters and self._pump:
            self._pump.wake()

    # ---- outside it

    def _take(self, call: int) -> Answer:
        answer = self._answers.pop(call, None)
        if answer is None:
            raise EOFError("the executor is gone")
        return answer

    def _read_until(self, call: int | None) -> Answer | None:
        """Reads until this call's answer has come; without a call, until no coroutine waits."""
        try:
            while True:
                got, ok, payload = self._bridge.recv()
                if got == call:
                    return ok, payload
                with self._lock:
                    self._deliver(got, (ok, payload))
                    if call is None and all(waiter.blocks for waiter in self._waiters.values()):
                        return None
        except (EOFError, OSError) as exc:
            self._gone = exc
            return None
        finally:
            with self._lock:
                self._pass_on()

    def _start_pump(self) -> bool:
        with self._lock:
            if self._pump:
                if not self._reading:
                    self._pump.wake()
                return True
            self._pump = _Waiter()
        try:
            _thread.start_new_thread(self._pump_answers, (self._pump,))
            return True
        except RuntimeError:  # the process limit: the caller reads for itself and blocks its loop
            self._pump = None
            return False

    def _pump_answers(self, pump: _Waiter) -> None:
        while not self._gone:
            with self._lock:
                mine = not self._reading and any(not waiter.blocks for waiter in self._waiters.values())
                self._reading = self._reading or mine
            if mine:
                self._read_until(None)
            else:
                pump.sleep()
