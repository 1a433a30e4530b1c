"""Asks `on_approval` about one call, and reads the answer. Whatever goes wrong on the way is a no."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from codemode._approval import ApprovalDecision, ApprovalDenied, ApprovalRequest, OnApproval

_log = logging.getLogger("codemode.tools")

_FAILED = "it could not be asked for approval; the application's log has the reason"


class Question:
    """One call that waits for `on_approval`. `hold(True)` stops the call's clock, `hold(False)` lets it go on.

    `ask` is called first. It returns an awaitable where the answer is one, for `decided`; otherwise the call may run.
    Both raise `ApprovalDenied` where it may not.
    """

    def __init__(self, callback: OnApproval, request: ApprovalRequest, hold: Callable[[bool], object]) -> None:
        self._callback, self._request, self._hold = callback, request, hold
        self._is_held = False

    def ask(self) -> Awaitable[Any] | None:
        self._is_held = True
        self._hold(True)
        try:
            answer: Any = self._callback(self._request)
        except BaseException as error:  # also `sys.exit`: the native thread must go on
            self.release()
            raise self._failed(error) from None
        if inspect.isawaitable(answer):
            return answer
        self.release()
        self._settle(answer)
        return None

    async def decided(self, answer: Awaitable[Any], is_unwanted: Callable[[], bool]) -> None:
        try:
            decision = await answer
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            # The call was given up; or the application cancelled what it waited for, which is no yes.
            if isinstance(error, asyncio.CancelledError) and is_unwanted():
                raise
            raise self._failed(error) from None
        finally:
            self.release()
        self._settle(decision)

    def release(self) -> None:
        """Lets the call's clock go on, once."""
        was_held, self._is_held = self._is_held, False
        if was_held:
            self._hold(False)

    def _settle(self, answer: Any) -> None:
        allow, reason = (answer.allow, answer.reason) if isinstance(answer, ApprovalDecision) else (answer, None)
        if allow is True:
            return
        if allow is not False:
            _log.error("on_approval must return a bool or an ApprovalDecision, got %r", answer)
            raise denied(self._request.tool, _FAILED)
        raise denied(self._request.tool, reason or f"the application said no ({self._request.reason})")

    def _failed(self, error: BaseException) -> ApprovalDenied:
        _log.error("on_approval failed for tool %s", self._request.tool, exc_info=error)
        return denied(self._request.tool, _FAILED)


def denied(tool: str, reason: str) -> ApprovalDenied:
    return ApprovalDenied(f"the call of tool {tool!r} was denied: {reason}")
