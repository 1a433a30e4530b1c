"""The native client (Rust). Bodies convert, call and convert back; rules live in Python or in `codemode-client`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypedDict, final

class RawToolSpec(TypedDict):
    name: str
    description: str
    input_schema: bytes | None  # JSON Schema as UTF-8 JSON
    output_schema: bytes | None
    is_async: bool
    has_context: bool

class RawRequest(TypedDict, total=False):
    code: bytes  # UTF-8, or whatever the caller handed in: the executor validates
    tools: Sequence[RawToolSpec]
    context: bytes  # tagged JSON
    config: bytes  # tagged JSON
    correlation_id: str  # absent: the executor makes one
    max_code_length: int  # characters; lowers the executor's limit. Absent: the executor's own
    code_timeout: float | None  # seconds
    tool_timeout: float | None
    total_timeout: float | None

class Dispatch(Protocol):
    def __call__(
        self,
        execution_id: str,
        call_id: int,
        name: str,
        arguments: bytes,
        value_bytes: int,
        resume: Callable[[Callable[[], tuple[bool, bytes]]], object],
        /,
    ) -> tuple[bool, bytes] | None:
        """Called in a native worker thread that runs no event loop; never raises. `arguments` are tagged JSON.

        True + tagged JSON of the value (at most `value_bytes`), or False + JSON {"type", "message",
        "valid_parameters", "suggestions"}. None: something is awaited; `resume` is then called once, from any thread
        and without waiting, with a function that has the answer, which is called in a worker thread. An execution
        holds 32 workers at most; further calls wait for one.
        """
    def abandon(self, call_id: int, /) -> None:
        """On `ToolCallAbandoned`, in a thread that others wait for: the running call is cancelled if it can be.
        Returns at once.
        """

# 1 = stdout, 2 = stderr.
OnOutput = Callable[[int, bytes], None]

# The answer of one execution; keys are those of `codemode.v1.Finished`, see `codemode._result.result_from_raw`.
# That the executor would not run the code (`invalid_code`, `code_too_long`, `policy`) is an answer too: outcome
# `rejected`, exit_code None, error_type `Rejected`, a message that begins with the code.
RawResult = dict[str, Any]

@final
class NativeExecution:
    execution_id: str
    def cancel(self) -> None: ...

@final
class NativeClient:
    @staticmethod
    def connect(url: str, options: Mapping[str, Any]) -> NativeClient:
        """Does not dial yet. An option that is not set is absent, one that is not known raises NativeError.

        `options`: api_key, timeout (seconds), tls_enabled, tls_cert_path, tls_client_cert_path, tls_client_key_path,
        policy (JSON text).
        """
    @staticmethod
    def embedded(options: Mapping[str, Any]) -> NativeClient:
        """Starts nothing yet. `options`: executable, interpreter, timeout, and policy (JSON text) with base_dir, or
        policy_path (absolute).
        """
    def execute(self, request: RawRequest, dispatch: Dispatch, on_output: OnOutput | None = None) -> RawResult:
        """Blocks with the GIL released; Ctrl-C cancels the execution and raises KeyboardInterrupt."""
    def submit(
        self,
        request: RawRequest,
        dispatch: Dispatch,
        on_done: Callable[[RawResult | None, BaseException | None], None],
        on_output: OnOutput | None = None,
    ) -> NativeExecution:
        """Returns at once; `on_done` is called once, from a native thread that others wait for: it must not block."""
    def info(self) -> dict[str, Any]:
        """Connects if need be. {version, tier, layers, substitutes, not_promised, limits, policy,
        max_concurrent_executions, embedded}."""
    def health(self) -> bool: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None:
        """Forgets runtime and connection without closing the parent's; the next call dials again."""

class NativeError(Exception):
    """args = (code, message, retryable, execution_id | None, exception class name).

    `codemode._errors.from_native` maps it to the public exceptions. `retryable` only if nothing can have run.
    """

def version() -> str: ...
