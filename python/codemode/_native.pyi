"""The native client (Rust). Bodies convert, call and convert back; rules live in Python or in `codemode-client`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, final

class RawToolSpec(TypedDict):
    name: str
    description: str
    input_schema: bytes | None  # JSON Schema as UTF-8 JSON
    output_schema: bytes | None
    is_async: bool
    has_context: bool
    timeout: float | None  # seconds of one call; the executor's own limit holds if it is lower

class RawRequest(TypedDict, total=False):
    code: bytes  # UTF-8, or whatever the caller handed in: the executor validates
    tools: Sequence[RawToolSpec]
    context: bytes  # tagged JSON
    config: bytes  # tagged JSON
    correlation_id: str  # absent: the executor makes one
    max_code_length: int  # characters; lowers the executor's limit. Absent: the executor's own
    max_tool_calls: int  # lowers the executor's limit
    check_tools: bool  # absent: True
    variables: bytes  # tagged JSON of a mapping; absent: none
    keep_variables: bool  # absent: False
    bare_tools: bool  # absent: False
    environment: str  # one of info()'s; absent: the executor's own interpreter
    artifact_bytes: int  # of artifacts' contents with the result; absent: none
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
        resume: Callable[[Callable[[], tuple[bool, bytes | list[bytes]]]], object],
        hold: Callable[[bool], object],
        bytes_behind: bool,
        /,
    ) -> tuple[bool, bytes | list[bytes]] | None:
        """Called in a native worker thread that runs no event loop; never raises. `arguments` are tagged JSON.

        True + tagged JSON of the value (at most `value_bytes`; with `bytes_behind`, in parts where raw bytes stand
        behind the JSON), or False + JSON {"type", "message",
        "valid_parameters", "suggestions"}. None: something is awaited; `resume` is then called once, from any thread
        and without waiting, with a function that has the answer, which is called in a worker thread. An execution
        holds 32 workers at most; further calls wait for one. `hold(True)` stops the call's clock, `hold(False)` lets it
        go on.
        """
    def abandon(self, call_id: int, timed_out: bool, /) -> None:
        """On `ToolCallAbandoned`, in a thread that others wait for: the running call is cancelled if it can be.
        `timed_out` says whether its time was up; otherwise the execution is over. Returns at once.
        """

# 1 = stdout, 2 = stderr.
OnOutput = Callable[[int, bytes], None]

# The answer of one execution; keys are those of `codemode.v1.Finished`, see `codemode._result.result_from_raw`.
# `isolation` is not to be changed: it is the same dict as long as the walls are the same.
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
        max_concurrent_executions, embedded, python, packages, environments: [{name, python, packages}]}."""
    def prompt(self, tools: Sequence[RawToolSpec], environment: str | None) -> str:
        """How to write code for this executor and these tools, for a model to read; the same text for the same two.
        Connects if need be. A tool whose name is no identifier is described in words.
        """
    def health(self) -> bool: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None:
        """Forgets runtime and connection without closing the parent's; the next call dials again."""

@final
class NativeSchema:
    """A JSON Schema that somebody wrote by hand. Draft 2020-12, unless `$schema` names another; nothing is fetched."""

    def __new__(cls, schema: bytes) -> NativeSchema:
        """NativeError code `schema` if it is no JSON Schema; the message names each keyword and its place."""
    def check(self, value: bytes) -> list[tuple[list[str | int], str, list[str]]]:
        """Path, message and near names of every problem, a hundred at most; empty if the value, tagged JSON, fits.
        ValueError if it is no JSON. A tagged member counts as what it stands for: a tuple is an array; a dataclass and
        any dict are objects; Decimal, NaN and the infinities are numbers; the rest has no JSON type, and fits only
        where none is asked for.
        """

@final
class NativeApproval:
    """Which calls of a tool may run: `spec` is JSON of "allow", "ask" or true, "deny"; of a list of rules {argument,
    pattern, action}, whose default is `allow`; or of {default, rules}.
    """

    def __new__(cls, spec: bytes) -> NativeApproval:
        """NativeError code `approval` for rules that cannot be meant."""
    def judge(self, arguments: bytes) -> tuple[Literal["deny", "ask", "allow"], str]:
        """The action (`allow`, `ask` or `deny`) and the reason for a call with these arguments, an object of tagged
        JSON that has the defaults of those left out. ValueError if it is no JSON.
        """

class NativeError(Exception):
    """args = (code, message, retryable, execution_id | None, exception class name).

    `codemode._errors.from_native` maps it to the public exceptions. `retryable` only if nothing can have run.
    """

def render_stubs(tools: Sequence[RawToolSpec]) -> str:
    """The tools as the text of a `.pyi`, the same for the same tools, in their order.

    NativeError code `stub_name` names every tool whose name is no identifier, or is there twice, and why.
    """

def read_config(
    kind: str,
    path: str | None,
    values: bytes | None,
    environ: dict[str, str] | None,
    dotenv: str | None,
    base_dir: str | None = None,
) -> bytes:
    """The configuration of a "client" or a "sidecar" as JSON: every setting, `set` (the names of those that were
    given), and `policy`, for a client with only what was given, and with `base_dir`. Secrets are in it as they are.

    `values`, JSON in the shape of the YAML file `path`, wins over `environ`, that over the file `dotenv`, and that over
    the YAML. Relative paths in `values` begin at `base_dir`. NativeError `config` names everything that is wrong.
    """

def config_keys(kind: str) -> list[dict[str, Any]]:
    """Every key: {key, aliases, variables, kind, allowed, default, about}; `allowed` and `default` are JSON."""

def version() -> str: ...
