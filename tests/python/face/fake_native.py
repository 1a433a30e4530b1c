"""A stand-in for the native module: scripts say what an "execution" does. The real one is tested end to end."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from codemode import _native, _values

NativeError = _native.NativeError
# What is pure in the real module is not faked.
PURE = ("NativeApproval", "NativeSchema", "config_keys", "read_config", "render_stubs")


def raw(**changes: Any) -> dict[str, Any]:
    """A RawResult of code that did nothing."""
    return {
        "success": True,
        "outcome": "ok",
        "exit_code": 0,
        "result": None,
        "variables": None,
        "error": None,
        "stdout": b"",
        "stderr": b"",
        "stdout_truncated": False,
        "stderr_truncated": False,
        "tool_calls": [],
        "artifacts": [],
        "violations": [],
        "usage": {"wall_ms": 1.5, "guest_ms": 1.0, "tool_ms": 0.5, "cpu_ms": 1.0, "peak_memory_bytes": 1 << 20},
        "isolation": {"tier": "full", "layers": ["landlock", "seccomp"], "substitutes": [], "not_promised": ["x"]},
        "warnings": [],
        "correlation_id": "cm-000000-0000",
        "execution_id": "exec-1",
        "duration_ms": 1.5,
        **changes,
    }


def ok(value: Any) -> dict[str, Any]:
    return raw(result=_values.encode(value)[0])


def failed(error_type: str, message: str, traceback: str = "", **changes: Any) -> dict[str, Any]:
    error = {"error_type": error_type, "message": message, "traceback": traceback, "line": 1}
    return raw(**{"success": False, "outcome": "error", "exit_code": 1, "error": error, **changes})


def answer_of(
    dispatch: Any,
    tool: str,
    arguments: bytes,
    *,
    call_id: int = 1,
    value_bytes: int = 16 << 20,
    hold: Callable[[bool], object] = lambda held: None,
) -> tuple[bool, bytes]:
    """Calls a tool as the native client does, and waits for what is awaited."""
    resumed: queue.SimpleQueue[Callable[[], tuple[bool, bytes]]] = queue.SimpleQueue()
    answer: tuple[bool, bytes] | None = dispatch("exec-1", call_id, tool, arguments, value_bytes, resumed.put, hold)
    return resumed.get(timeout=10)() if answer is None else answer


Script = Callable[["Run"], Mapping[str, Any]]


class Run:
    """What a script sees of one execution."""

    def __init__(self, request: Any, dispatch: Any, on_output: Any) -> None:
        self.request, self.dispatch, self.output = request, dispatch, on_output
        self.cancelled = threading.Event()
        self.held: list[bool] = []  # what `hold` was told
        self._calls = itertools.count(1)

    @property
    def code(self) -> str:
        return str(self.request["code"], "utf-8")

    def call(self, tool: str, **arguments: Any) -> Any:
        """Calls a tool as the native client does, in a worker thread; returns the value or raises LookupError."""
        box: list[Any] = []
        encoded = _values.encode(arguments)[0]
        given: dict[str, Any] = {"call_id": next(self._calls), "hold": self.held.append}
        worker = threading.Thread(target=lambda: box.append(answer_of(self.dispatch, tool, encoded, **given)))
        worker.start()
        worker.join(10)
        success, data = box[0]
        value = _values.decode(data)
        if not success:
            raise LookupError(value["message"])
        return value

    def record(self, name: str, status: str = "ok", error: str = "", **arguments: Any) -> dict[str, Any]:
        """What the executor would record of a call."""
        encoded = _values.encode(arguments)[0]
        return {"name": name, "arguments": encoded, "status": status, "duration_ms": 1.0, "error": error}


class NativeExecution:
    execution_id = "exec-1"

    def __init__(self, run: Run) -> None:
        self._run = run

    def cancel(self) -> None:
        self._run.cancelled.set()


class NativeClient:
    script: Script = staticmethod(lambda run: raw())
    created: ClassVar[list[NativeClient]] = []

    def __init__(self, kind: str, url: str | None, options: Mapping[str, Any]) -> None:
        self.kind, self.url, self.options = kind, url, dict(options)
        self.events: list[str] = []
        self.runs: list[Run] = []
        NativeClient.created.append(self)

    @staticmethod
    def connect(url: str, options: Mapping[str, Any]) -> NativeClient:
        return NativeClient("connect", url, options)

    @staticmethod
    def embedded(options: Mapping[str, Any]) -> NativeClient:
        return NativeClient("embedded", None, options)

    def execute(self, request: Any, dispatch: Any, on_output: Any = None) -> Mapping[str, Any]:
        run = Run(request, dispatch, on_output)
        self.runs.append(run)
        return NativeClient.script(run)

    def submit(self, request: Any, dispatch: Any, on_done: Any, on_output: Any = None) -> NativeExecution:
        run = Run(request, dispatch, on_output)
        self.runs.append(run)

        def work() -> None:
            try:
                answer = NativeClient.script(run)
            except BaseException as error:
                on_done(None, error)
            else:
                on_done(answer, None)

        threading.Thread(target=work, daemon=True).start()
        return NativeExecution(run)

    def prompt(self, tools: Any, environment: str | None) -> str:
        return f"prompt for {', '.join(tool['name'] for tool in tools)}"

    def info(self) -> dict[str, Any]:
        return {"version": "0", "tier": "full"}

    def health(self) -> bool:
        return True

    def close(self) -> None:
        self.events.append("close")

    def after_fork_in_child(self) -> None:
        self.events.append("fork")


def script(native: type[NativeClient], function: Any) -> None:
    """What each execution does from here on."""
    native.script = staticmethod(function)
