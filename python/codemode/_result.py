"""What one execution did, as frozen values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from codemode import _checks, _values
from codemode._artifact import Artifact
from codemode._errors import CodemodeError, ExecutionFailed

# What the executor keeps of a call at most: characters of the name, bytes of the arguments.
_RECORDED_NAME, _RECORDED_ARGUMENTS = 200, 4096
# Characters of an error that tell two failures apart; the executor keeps more.
_COMPARED = 200

_T = TypeVar("_T")


@dataclass(frozen=True)
class ExecutionError:
    """Why the code failed. `traceback` has the frames of the user's own code only, `line` is 1-based."""

    error_type: str
    message: str
    traceback: str = ""
    line: int | None = None

    def __str__(self) -> str:
        summary = f"{self.error_type}: {self.message}" if self.message else self.error_type
        trace = self.traceback.rstrip()
        if not trace:
            return summary
        # CPython's own tracebacks end with the summary already.
        return trace if self.error_type in trace.rsplit("\n  ", 1)[-1] else f"{trace}\n{summary}"


@dataclass(frozen=True)
class ToolCallRecord:
    """One tool call as the executor saw it. `status`: ok, error, denied, timeout or abandoned.

    `ran` False: the tool itself was never called (no such tool, arguments that do not fit, not approved, given up while
    it waited its turn), so running the code again repeats nothing. The client knows this, and who was denied, of its
    own; it is not on the wire.
    """

    name: str
    status: str
    duration_ms: float
    error: str | None = None
    arguments_json: bytes = field(default=b"{}", repr=False)
    ran: bool = True

    @cached_property
    def arguments(self) -> Any:
        """The keyword arguments; the text of what is known where the record was cut (4 KiB)."""
        try:
            return _values.decode(self.arguments_json)
        except ValueError:
            return self.arguments_json.decode("utf-8", "replace")


@dataclass(frozen=True)
class Violation:
    """Something the policy refused. `source` guest: the code's own process said so; it may be missing or forged."""

    kind: str
    detail: str
    source: str


@dataclass(frozen=True)
class Usage:
    """`guest_ms` is wall time with no tool call pending, `tool_ms` wall time with at least one."""

    wall_ms: float = 0.0
    guest_ms: float = 0.0
    tool_ms: float = 0.0
    cpu_ms: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True)
class Isolation:
    """The walls that held this execution. `substitutes` reads `layer: what stands in for it`; `not_promised` is what
    this tier cannot promise and tier full can.
    """

    tier: str = ""
    layers: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = ()
    not_promised: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExecutionResult:
    """The account of one execution. `str()` is the result's text, or on failure an error a model can act on."""

    success: bool
    outcome: str
    result: Any = None
    result_json: str | None = None
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None  # None: refused before anything ran
    error: ExecutionError | None = None
    tool_calls: tuple[ToolCallRecord, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    violations: tuple[Violation, ...] = ()
    usage: Usage = Usage()
    isolation: Isolation = Isolation()
    warnings: tuple[str, ...] = ()
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    correlation_id: str = ""
    execution_id: str = ""
    duration_ms: float = 0.0
    # What `keep_variables` brought back: the names at the top of the code, but functions, classes and modules.
    variables: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.success:
            # Code that only prints has no result; its output is the answer then.
            return self.stdout.removesuffix("\n") if self.result_json is None else str(self.result)
        text = str(self.error) if self.error else self.outcome
        ran = [f"{call.name} ({call.status})" for call in self.tool_calls if call.ran]
        if ran:
            text += "\nTool calls that already ran (running the code again repeats them): " + ", ".join(ran)
        return text

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from codemode._html import page

        return page(self)

    def raise_for_error(self) -> ExecutionResult:
        """Itself, or `ExecutionFailed` if the execution did not succeed."""
        if self.success:
            return self
        failure = ExecutionFailed(str(self), code=self.outcome, execution_id=self.execution_id or None)
        failure.result = self
        raise failure


def result_from_raw(
    raw: Mapping[str, Any],
    *,
    warnings: Iterable[str] = (),
    traceback_limit: int | None = None,
    begun: Iterable[tuple[str, bytes]] | None = None,
    denied: Collection[tuple[str, bytes, str]] = (),
) -> ExecutionResult:
    """From the dict that the native client returns. The rest is what the client's own side knows: its warnings, and
    name and arguments of each call that reached its tool, or was denied and why.
    """
    calls = tuple(map(_tool_call, raw["tool_calls"]))
    fields: dict[str, Any] = {
        **raw,
        "stdout": raw["stdout"].decode("utf-8", "replace"),
        "stderr": raw["stderr"].decode("utf-8", "replace"),
        "error": _error(raw["error"], traceback_limit) if raw["error"] else None,
        "tool_calls": _ran(_denied(calls, denied), begun),
        "artifacts": tuple(Artifact(**{**item, "host_path": item["host_path"] or None}) for item in raw["artifacts"]),
        "violations": tuple(Violation(**item) for item in raw["violations"]),
        "usage": _made(Usage, raw["usage"]),
        "isolation": _isolation(raw["isolation"]),
        "warnings": (*raw["warnings"], *warnings),
        **_value(raw["result"], raw["variables"]),
    }
    return _made(ExecutionResult, fields)


def rejected(error: CodemodeError, correlation_id: str) -> ExecutionResult:
    """The executor looked at the code and would not run it: a fault of the code, so a result and no exception."""
    reason = str(error)
    message = reason if reason.startswith(error.code) else f"{error.code}: {reason}"
    return ExecutionResult(
        success=False,
        outcome="rejected",
        error=ExecutionError("Rejected", message),
        correlation_id=correlation_id,
        execution_id=error.execution_id or "",
    )


def trim(traceback: str, limit: int) -> str:
    """The traceback with its last `limit` frames; 0 leaves none of it."""
    if limit == 0:
        return ""
    head, *frames = traceback.split("\n  File ")
    if len(frames) <= limit:
        return traceback
    return "\n  File ".join([head, *frames[-limit:]])


def _value(result: bytes | None, variables: bytes | None) -> dict[str, Any]:
    read: dict[str, Any] = {"result": None, "result_json": None, "variables": {}}
    try:
        if result is not None:
            read |= {"result": _values.decode(result), "result_json": result.decode()}
        if variables is not None:
            kept = _values.decode(variables)
            # Of names, or an application that gives them to the next execution would be told that it is wrong.
            if not isinstance(kept, dict) or not all(map(_checks.is_variable, kept)):
                raise ValueError("variables are no mapping of names")
            read["variables"] = kept
        return read
    except ValueError as problem:
        # The sandbox authors these bytes and is free to send rubbish.
        error = ExecutionError("ProtocolError", f"the sandbox sent a result that cannot be read: {problem}")
        failed = {"success": False, "outcome": "protocol_error", "error": error}
        return {"result": None, "result_json": None, "variables": {}, **failed}


def _error(item: Mapping[str, Any], limit: int | None) -> ExecutionError:
    traceback = item["traceback"] or ""
    traceback = traceback if limit is None else trim(traceback, limit)
    return ExecutionError(item["error_type"], item["message"], traceback, item["line"])


def _tool_call(item: Mapping[str, Any]) -> ToolCallRecord:
    fields = {
        "name": item["name"],
        "status": item["status"],
        "duration_ms": item["duration_ms"],
        "error": item["error"] or None,
        "arguments_json": bytes(item["arguments"]),
        "ran": True,
    }
    return _made(ToolCallRecord, fields)


def _denied(
    records: tuple[ToolCallRecord, ...], denied: Collection[tuple[str, bytes, str]]
) -> tuple[ToolCallRecord, ...]:
    """The records, those of denied calls with that status; to the executor they are errors like others."""
    if not denied:
        return records
    left = Counter((_key(name, arguments), reason[:_COMPARED]) for name, arguments, reason in denied)
    told = []
    for record in records:
        key = _key(record.name, record.arguments_json), (record.error or "")[:_COMPARED]
        if record.status == "error" and left[key] > 0:
            left[key] -= 1
            record = replace(record, status="denied", ran=False)
        told.append(record)
    return tuple(told)


def _ran(records: tuple[ToolCallRecord, ...], begun: Iterable[tuple[str, bytes]] | None) -> tuple[ToolCallRecord, ...]:
    """The records, each with whether its tool was called; the executor cuts what it records."""
    if begun is None or all(record.status == "ok" for record in records):
        return records
    left = Counter(_key(*call) for call in begun)
    ran = set()
    # Of calls that look alike, those that were answered come first.
    for index, record in sorted(enumerate(records), key=lambda item: item[1].status != "ok"):
        key = _key(record.name, record.arguments_json)
        if record.status != "denied" and left[key] > 0:
            left[key] -= 1
            ran.add(index)
    return tuple(
        record if index in ran or record.status == "ok" else replace(record, ran=False)
        for index, record in enumerate(records)
    )


def _key(name: str, arguments: bytes) -> tuple[str, bytes]:
    return name[:_RECORDED_NAME], arguments[:_RECORDED_ARGUMENTS]


def _isolation(item: Mapping[str, Any]) -> Isolation:
    """The native client hands out the same mapping for as long as an executor's walls are the same."""
    global _last
    last_item, last = _last
    if item is not last_item:
        last = Isolation(item["tier"], *(tuple(item[key]) for key in ("layers", "substitutes", "not_promised")))
        _last = item, last
    return last


_last: tuple[Mapping[str, Any], Isolation] = {}, Isolation()


def _made(kind: type[_T], fields: Mapping[str, Any]) -> _T:
    """As the constructor of a frozen class does, which sets each member on its own, the slow way."""
    made = object.__new__(kind)
    made.__dict__.update(fields)
    return made
