"""Runs a prepared execution to its end, blocking or on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from codemode._call import Call, Mailbox
from codemode._connection import Connection
from codemode._result import ExecutionResult

if TYPE_CHECKING:
    from codemode._native import RawResult


def run(connection: Connection, call: Call) -> ExecutionResult:
    native = connection.native
    with call:
        for pause in call.settings.pauses():
            try:
                return call.finished(native.execute(call.request, call.dispatcher, call.output))
            except Exception as error:  # sorted by `refused`
                if pause is None or not call.may_repeat(error):
                    return call.refused(error)
                time.sleep(pause)
    raise AssertionError("unreachable: the last pause is None")


async def run_async(connection: Connection, call: Call, mailbox: Mailbox) -> ExecutionResult:
    try:
        with call:
            for pause in call.settings.pauses():
                try:
                    return call.finished(await _submit(connection, call))
                except Exception as error:  # sorted by `refused`
                    if pause is None or not call.may_repeat(error):
                        return call.refused(error)
                    await asyncio.sleep(pause)
    finally:
        mailbox.deliver()
    raise AssertionError("unreachable: the last pause is None")


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
