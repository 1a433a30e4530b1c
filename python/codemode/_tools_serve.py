"""What `codemode run --tools` starts: it runs the tools of files and modules for that command.

The two talk over the socket that is standard input here, in messages: a line of JSON, then as many bytes as its `bytes`
says. `crates/codemode-cli/src/run/tools` is the other side, and says what they are. The end of that side is the end of
this process, and of what the tools have started and left.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from codemode import _values
from codemode._approval import ApprovalDecision, ApprovalRequest
from codemode._context import overlay
from codemode._dispatch import Answer, Dispatcher
from codemode._lifecycle import Lifecycle
from codemode._loop import BackgroundLoop
from codemode._registry import Registry
from codemode._tool import ToolEntry
from codemode._tool_modules import load_tools

# As many as the calls of one execution get in an application; further ones wait.
_WORKERS = 32
# How long the tools have for their end after that of the command, which itself waits as long.
_PATIENCE = 5.0

Message = dict[str, Any]


def serve(sources: Sequence[str], tool_filter: Sequence[str]) -> None:
    """Until the command has ended. `ToolModuleError` or `RegistryError` where the tools cannot be had."""
    # In the background of its terminal this process would be stopped by asking it; so it gets an error.
    for asked in (signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(asked, signal.SIG_IGN)
    sys.stdout = sys.stderr
    server = _Server(_Line())
    registry = load_tools(sources)
    server.serve(registry.scoped(tool_filter) if tool_filter else registry)


class _Line:
    """The way to the command and back."""

    def __init__(self) -> None:
        # Not inherited by what the tools start: it would look to the command as if this process went on.
        self._socket = socket.socket(fileno=os.dup(0))
        descriptor, nothing = self._socket.fileno(), os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.register_at_fork(after_in_child=partial(os.dup2, nothing, descriptor, False))
        self._reader = self._socket.makefile("rb")
        self._sending = threading.Lock()

    def receive(self) -> tuple[Message, bytes] | None:
        """None at the end, also in the middle of a message."""
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            return None
        message = json.loads(line)
        body = self._reader.read(message["bytes"])
        return (message, body) if len(body) == message["bytes"] else None

    def send(self, message: Message, body: bytes = b"") -> None:
        line = json.dumps({**message, "bytes": len(body)}).encode()
        # Without a command this process ends as well.
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(b"%b\n%b" % (line, body))


class _Server:
    """Listens from the beginning: a source that never ends to load must not outlive the command."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._workers = _Workers(_WORKERS)
        self._loop = BackgroundLoop()
        self._lifecycle = Lifecycle()
        self._dispatcher: Dispatcher | None = None
        self._is_over = threading.Event()
        threading.Thread(target=self._listen, name="codemode-tools", daemon=True).start()

    def serve(self, registry: Registry) -> None:
        try:
            self._lifecycle.open(registry, self._loop.run)
            dispatcher = self._offer(registry)
            self._is_over.wait()
            dispatcher.close()
            self._line.send({"type": "closed", "warnings": dispatcher.warnings})
        finally:
            self._lifecycle.close(self._loop.run)
            self._loop.stop()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _signal_group(signal.SIGTERM)

    def _offer(self, registry: Registry) -> Dispatcher:
        entries = registry.entries()
        context = overlay(registry.get_context())
        dispatcher = self._dispatcher = Dispatcher(entries, context, self._loop.get, _refused)
        ready: Message = {"type": "ready", "tools": [_spec(entry) for entry in entries.values()]}
        for name, values in (("context", context.variables), ("config", registry.get_config())):
            encoded, warnings = _values.encode(dict(values), root=name, reprs=False)
            ready[name] = encoded.decode()
            dispatcher.warnings += warnings
        self._line.send(ready)
        return dispatcher

    def _listen(self) -> None:
        try:
            while received := self._line.receive():
                self._take(*received)
        finally:
            self._is_over.set()
            if self._dispatcher is not None:
                time.sleep(_PATIENCE)
            _signal_group(signal.SIGKILL)
            os._exit(1)

    def _take(self, message: Message, body: bytes) -> None:
        dispatcher, call_id = self._dispatcher, message["call_id"]
        if dispatcher is None:
            raise RuntimeError("a call came before the tools were told")
        if message["type"] == "abandon":
            dispatcher.abandon(call_id, message["timed_out"])
            return

        def call() -> Answer | None:
            name, value_bytes = message["name"], message["value_bytes"]
            return dispatcher(message["execution_id"], call_id, name, body, value_bytes, resume, _held)

        def resume(answer: Callable[[], Answer]) -> None:
            self._workers.do(partial(self._answer, call_id, answer))

        self._workers.do(partial(self._answer, call_id, call))

    def _answer(self, call_id: int, work: Callable[[], Answer | None]) -> None:
        """Without an answer it awaits something, and will be resumed."""
        if (answer := work()) is not None:
            ok, body = answer
            whole = body if isinstance(body, bytes) else b"".join(body)
            self._line.send({"type": "answer", "call_id": call_id, "ok": ok}, whole)


class _Workers:
    """Daemons: a tool that never ends must not keep the process from its end."""

    def __init__(self, most: int) -> None:
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._vacancies = most
        self._hiring = threading.Lock()
        self._hire()
        self._idle.release()

    def do(self, job: Callable[[], object]) -> None:
        with self._hiring:
            if not self._idle.acquire(blocking=False) and self._vacancies:
                # Without another thread, those that are there do it when they can.
                with contextlib.suppress(RuntimeError):
                    self._hire()
        self._jobs.put(job)

    def _hire(self) -> None:
        threading.Thread(target=self._work, name="codemode-tool", daemon=True).start()
        self._vacancies -= 1

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            self._idle.release()


def _spec(entry: ToolEntry) -> Message:
    given, result = entry.spec["input_schema"], entry.spec["output_schema"]
    return {**entry.spec, "input_schema": given and given.decode(), "output_schema": result and result.decode()}


def _refused(request: ApprovalRequest) -> ApprovalDecision:
    return ApprovalDecision(False, f"{request.reason}, and `codemode run` asks nobody")


def _held(held: bool) -> None:
    """Nobody is asked, so no clock has to wait."""


def _signal_group(number: int) -> None:
    """To this process and what the tools have started: the command has made a group of its own for them."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, number)
