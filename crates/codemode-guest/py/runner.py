"""One execution, from the Start frame to the exit code. The native side calls `warm`, `rehearse` and `main` only."""

from __future__ import annotations

import atexit
import builtins
import os
import sys
from contextlib import suppress

from . import awaiting, compiling, courtesy, ending, limits, namespace, tracebacks, values, variables
from .calls import ToolError
from .channel import Channel
from .tools import Tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .channel import Bridge, Start
    from .warming import Rehearsal


_RESULT = "result"


def warm(rehearsal: Rehearsal, preload: Iterable[str] = ()) -> None:
    """Once, in the zygote before it forks: see `warming`. `preload`: the modules that it has imported for the code."""
    from . import warming

    for _ in range(warming.ROUNDS):
        warming.warm_up(rehearsal)
    warming.learn(preload)


def rehearse(rehearsal: Rehearsal) -> None:
    """Once, in a child that does nothing else: what nearly every execution does, for its pages to be known."""
    from . import warming

    # What preloaded modules do at the end of a process is for sandboxes.
    atexit._clear()
    for code in warming.FIRST:
        main(rehearsal(code))
    warming.use_preloaded()


def main(bridge: Bridge) -> int:
    """Runs one execution in the confined child; the process's exit code."""
    execution = Execution(bridge)
    execution.welcome()
    start = bridge.start()
    try:
        execution.begin(start)
    except ValueError as exc:  # as some client wrote them
        return _report_broken(bridge, "Rejected", f"context, config or variables cannot be read: {exc}")
    execution.perform()
    try:
        return execution.conclude()
    except BaseException as exc:  # noqa: BLE001 user code may have broken anything that the ending needs
        if os.getpid() != execution.pid:
            return 1
        return _report_broken(bridge, type(exc).__name__, f"the run could not be ended properly: {exc!r}")


def _report_broken(bridge: Bridge, error_type: str, message: str) -> int:
    error = {"error_type": error_type, "message": message, "traceback": "", "line": None}
    bridge.finish("error", 1, None, error, [], None)
    return 1


class Execution:
    """Made, and what is the same for most code done, while the sandbox waits for its code. `begin` brings it."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.pid = os.getpid()
        self.warnings: list[str] = []
        self.exit_code = 0
        self.error: dict[str, Any] | None = None
        self._met = limits.Met(bridge)
        self._limit: str | None = None  # that the code died of
        self._courtesy = courtesy.Courtesy(bridge)
        self._tools = Tools(Channel(bridge), self.warnings)
        # Never kept.
        self._own: dict[str, Any] = {
            "context": namespace.ReadOnly({}),
            "config": namespace.ReadOnly({}),
            "tools": self._tools,
            "ToolError": ToolError,
        }
        self._before: dict[str, Any] = {}
        self.namespace = namespace.fresh_main(self._own)

    def begin(self, start: Start) -> None:
        self._start = start
        self._filename = filename = start["filename"]
        # CPython drops the mark from a file; here the code is text already.
        self._source = source = start["code"].removeprefix("\ufeff")
        self._tools._offer(start["tools"], start["value_bytes"])
        if start["context"] or start["config"] or start["variables"] or start["bare_tools"]:
            self._furnish(start)
        namespace.name_main(filename, source)
        allowed = start["allowed_commands"] if start["allow_direct_execution"] else ()
        self._courtesy.begin(filename, self.namespace, allowed)

    def _furnish(self, start: Start) -> None:
        """Gives the code the names that most executions do not have."""
        given = variables.given(start["variables"])
        for name in ("context", "config"):
            self._own[name] = namespace.read_only(start[name])  # type: ignore[literal-required]
        if start["bare_tools"]:
            self._own = {**variables.functions(self._tools), **self._own}
        own = {"tools": self._tools, "ToolError": ToolError}
        found = {**self._own, **given, **own}
        # Below `__main__`, where code finds it as well: what stands above is what this code made, were it the same 7.
        self._before = {_RESULT: found.pop(_RESULT)} if _RESULT in found else {}
        vars(builtins).update(self._before)
        self.namespace.update(found)

    def welcome(self) -> None:
        """What only a process that ends with this execution may have done to it."""
        if "" not in sys.path:
            sys.path.insert(0, "")  # modules that user code writes beside itself
        self.unbuffer()
        sys.addaudithook(self.hook())

    def unbuffer(self) -> None:
        """Whole lines leave at once: a kill must not eat output."""
        with suppress(Exception):
            stream: Any = sys.stdout
            if not stream.line_buffering:
                stream.reconfigure(line_buffering=True)

    def hook(self) -> Callable[[str, tuple[Any, ...]], None]:
        return self._courtesy.hook(self._met)

    def perform(self) -> None:
        """Compiles and runs the code; whatever it raises ends up in `error` and `exit_code`."""
        try:
            direct = self._start["allow_direct_execution"]
            tools = self._start["tools"] if self._start["check_tools"] else None
            program = compiling.compile_user(self._source, self._filename, direct, tools)
        except BaseException as exc:  # noqa: BLE001 a parser bomb is the user's error
            self._fail(exc.with_traceback(None))
            return
        try:
            try:
                self._run(program)
            finally:
                _regain()
        except SystemExit as stop:
            self.exit_code = ending.exit_status(stop)
            if self.exit_code:
                self.error = tracebacks.describe(stop, self._filename)
        except BaseException as exc:  # noqa: BLE001 this is where all of user code ends
            ending.call_excepthook(exc)
            self._fail(exc, 1)
            self._limit = self._met.cause_of(exc)

    def _run(self, program: compiling.Program) -> None:
        if program.uses_await:
            setattr(builtins, awaiting.NAME, awaiting.awaitable)
        if program.needs_asyncio:
            awaiting.patch_asyncio()
        made = eval(program.code, self.namespace)
        if program.coroutine:
            awaiting.run(made)

    def _fail(self, exc: BaseException, exit_code: int = 1) -> None:
        self.exit_code = exit_code
        self.error = tracebacks.describe(exc, self._filename)

    def conclude(self) -> int:
        """Ends like CPython, then reports. A process that user code forked reports nothing: it is not the execution."""
        self.warnings += ending.save_figures()
        ending.join_threads()
        kind, result = self.result()
        kept = self.kept(result)
        ending.run_atexit()
        ending.flush()
        if os.getpid() == self.pid:
            self.report(kind, result, kept)
        return self.exit_code

    def report(self, kind: str, result: bytes | None, kept: bytes | None) -> None:
        """Of an execution the native side does not return from this: it ends the process."""
        self._bridge.finish(kind, self.exit_code, result, self.error, self.warnings, kept)

    def result(self) -> tuple[str, bytes | None]:
        """The outcome's kind and the encoded result: the variable, else the last expression, else none."""
        last = self.namespace.pop(compiling.LAST, None)
        if self.error is not None:
            return self._limit or "error", None
        if _RESULT not in self.namespace and last is None:
            return "ok", None
        value = self.namespace.get(_RESULT, last)
        try:
            data, warnings = values.encode(value, max_bytes=self._start["result_bytes"])
        except values.ValueTooLarge as exc:
            message = f"the result takes at least {exc.size} bytes, the limit is {exc.limit}"
            self.error = {"error_type": "ResultTooLarge", "message": message, "traceback": "", "line": None}
            return "result_too_large", None
        except BaseException as exc:  # noqa: BLE001 user code runs in there: __repr__, model_dump
            self._fail(exc)
            return "error", None
        self.warnings += warnings
        return "ok", data

    def kept(self, result: bytes | None) -> bytes | None:
        """What the code leaves to a later execution, in the room that the result leaves."""
        if not self._start["keep_variables"]:
            return None
        try:
            room = self._start["result_bytes"] - len(result or b"")
            kept, left = variables.kept({**self._before, **self.namespace}, self._own, room)
        except BaseException as exc:  # noqa: BLE001 user code runs in there, as for a result
            self.warnings.append(f"no variable is kept: {exc!r}")
            return None
        self.warnings += left
        return kept


def _regain() -> None:
    """What user code may have set and the ending cannot live with."""
    sys.settrace(None)
    sys.setprofile(None)
    if sys.getrecursionlimit() < 1000:
        sys.setrecursionlimit(1000)
