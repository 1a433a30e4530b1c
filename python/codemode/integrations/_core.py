"""What every adapter needs: how a client is presented to a model as one tool that takes code, and what comes of a call.

An adapter gives this its framework's shape and nothing else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypedDict

from codemode import _checks
from codemode._approval import OnApproval
from codemode._call import ARTIFACT_BYTES, EventSink, Names, Options, Rules, Sinks, TextSink, call_here
from codemode._context import RuntimeContext, overlay
from codemode._errors import CodemodeError, did_you_mean, nearest
from codemode._result import ExecutionResult
from codemode.integrations import _account

if TYPE_CHECKING:
    from codemode._client import Codemode

_log = logging.getLogger("codemode")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
# OpenAI's chat completions, and who copies them, refuse a longer description of a function. That of an argument may
# have any length, so what a model has to know about the code stands there.
_DESCRIPTION = 1024
_PURPOSE = (
    "Runs Python code in a sandbox and gives back the value of the variable `result`, or of the last expression, and "
    "what was printed. Nothing is kept between two calls. What the code can use is said at the argument `code`."
)


class CodeToolOptions(TypedDict, total=False):
    """The first four are the tool's, the others are those of `Codemode.execute` and hold for each of its executions."""

    name: str
    description: str
    max_characters: int
    on_result: Callable[[ExecutionResult], object]
    execution_timeout: float | None
    context: RuntimeContext | Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    correlation_id: str | None
    on_stdout: TextSink | None
    on_stderr: TextSink | None
    on_tool_call: EventSink | None
    on_approval: OnApproval | None
    max_tool_calls: int | None
    check_tools: bool
    artifact_bytes: int
    variables: Mapping[str, Any] | None
    keep_variables: bool
    bare_tools: bool
    environment: str | None


@dataclass(frozen=True)
class Answer:
    """What comes of one call. `code`: the outcome, or the code of the error that kept it from running.

    `result`: None where that was so.
    """

    succeeded: bool
    text: str
    values: Mapping[str, Any]
    code: str = "ok"
    retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    result: ExecutionResult | None = None

    @property
    def exit_code(self) -> int:
        """For frameworks that want one in any case: 0 is a success and nothing else is."""
        return 0 if self.succeeded else (self.result and self.result.exit_code) or 1


# A model wrote the arguments, and not every framework looks at them.
_NO_CODE = "The argument `code` has to be one string of Python code. Nothing ran."
_NO_TEXT = Answer(False, _NO_CODE, {"error": _NO_CODE}, "invalid_code")


class CodeTool:
    """A client as a tool. It holds nothing of a call, so any number of threads may call it; a fork is the client's."""

    def __init__(self, client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> None:
        if unknown := [option for option in options if option not in CodeToolOptions.__annotations__]:
            near = did_you_mean(nearest(unknown[0], CodeToolOptions.__annotations__))
            raise TypeError(f"no such option: {unknown[0]}" + (f"; {near}" if near else ""))
        self._client = client
        self._tool_filter = _checks.names(tool_filter)  # once: it may be an iterator
        self._execution = execution = dict(options)
        self.name: str = execution.pop("name", "codemode")
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"the name of a tool has letters, digits, _ and -, at most 64 of them; got {self.name!r}")
        limit = execution.pop("max_characters", _account.LIMIT)
        self._limit = _checks.count(limit, "max_characters", least=1000, what="a number of characters, 1000 or more")
        self._on_result = _checks.function(execution.pop("on_result", None), "on_result")
        self.description: str = execution.pop("description", None) or _described(client, self._tool_filter)
        _check(client, self._tool_filter, execution)
        text = client.prompt(self._tool_filter, execution.get("environment"))
        self.code_description = f"Python code, as it stands, without Markdown.\n\n{text}"

    def __deepcopy__(self, memo: dict[int, Any]) -> CodeTool:
        """Itself. Frameworks copy the tools of an agent, and there is nothing here that a copy should have alone."""
        return self

    def run(self, code: Any, seen: Any = None, **this: Any) -> Answer:
        """`seen`: what the framework knows of this call, as context; what the option `context` says wins.
        `this`: options of this execution; variables are added to those of the tool.
        """
        if not isinstance(code, str):
            return _NO_TEXT
        try:
            result = self._client.execute(unfenced(code), **self._options(seen, this))
        except CodemodeError as error:
            return self._refused(error)
        return self._answered(result)

    async def run_async(self, code: Any, seen: Any = None, **this: Any) -> Answer:
        if not isinstance(code, str):
            return _NO_TEXT
        try:
            result = await self._client.execute_async(unfenced(code), **self._options(seen, this))
        except CodemodeError as error:
            return self._refused(error)
        return self._answered(result)

    def _options(self, seen: Any, this: Mapping[str, Any]) -> dict[str, Any]:
        options = {"tool_filter": self._tool_filter, **self._execution, **this}
        if "variables" in this:
            options["variables"] = {**(self._execution.get("variables") or {}), **this["variables"]}
        return {**options, "context": overlay(seen, options.get("context"))} if seen else options

    def _answered(self, result: ExecutionResult) -> Answer:
        if self._on_result:
            call_here(self._on_result, result)
        told = _account.account(result, self._limit)
        details = {"outcome": result.outcome, "execution_id": result.execution_id}
        if result.error:
            details["error_type"] = result.error.error_type
        return Answer(result.success, _account.text(told), told, result.outcome, details=details, result=result)

    def _refused(self, error: CodemodeError) -> Answer:
        """No fault of the code. What it says is for the application: it may name hosts and settings."""
        _log.warning("the tool %r could not run code: %s", self.name, error)
        if error.retryable:
            text = "The sandbox is busy; nothing ran. Try again later."
        elif error.execution_id:
            text = "The sandbox was lost while the code ran. Repeat it only if what it already did may be repeated."
        else:
            text = "The sandbox cannot be used, and other code will not help. Go on without it, or say so."
        details = {"reason": str(error), "execution_id": error.execution_id}
        return Answer(False, text, {"error": text}, error.code, error.retryable, details)


def unfenced(code: str) -> str:
    """Without the Markdown that models put around code. No program begins with a fence."""
    lines = code.strip().split("\n")
    if len(lines) > 1 and lines[0].startswith("```") and lines[-1].strip() == "```":
        return "\n".join(lines[1:-1])
    return code


def no_python(language: str) -> str | None:
    """What is said about code of this language where it is not Python. A shell would be another door than the policy's
    `execution.allowed_commands`.
    """
    if language.strip().lower() in ("python", "py", "python3"):
        return None
    return (
        f"This sandbox runs Python, not {language or 'code of no language'}. Nothing ran. Write Python; commands that "
        "are allowed can be started with the module subprocess."
    )


@contextmanager
def needs(extra: str, package: str) -> Iterator[None]:
    """For an adapter's imports from `package`: what is not there is told with the line that installs it.

    An `AttributeError` of the block says that too, of an installed version that has another interface.
    """
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise _unavailable(extra, package, error) from error


def has(kind: type, *members: str) -> None:
    """Methods, attributes and fields (of pydantic, of data classes) that an adapter relies on; `AttributeError` names
    those that are gone.
    """
    fields = {**getattr(kind, "model_fields", {}), **getattr(kind, "__dataclass_fields__", {})}
    if gone := [member for member in members if not (member in fields or hasattr(kind, member))]:
        raise AttributeError(f"{kind.__module__}.{kind.__qualname__} has no {', '.join(gone)}")


def _unavailable(extra: str, package: str, problem: Exception) -> ImportError:
    try:
        found = f"{package} {metadata.version(package)} is installed, but: {problem}"
    except metadata.PackageNotFoundError:
        found = f"{package} is not installed"
    needed = ", ".join(requirements(extra)) or package
    return ImportError(f"this needs {needed}; {found}. Run: pip install 'codemode-runtime[{extra}]'", name=package)


def requirements(extra: str) -> list[str]:
    """What the extra installs, as pip reads it: the versions that tests/frameworks passed with."""
    try:
        lines = metadata.requires("codemode-runtime") or []
    except metadata.PackageNotFoundError:  # imported from a source tree that nobody installed
        return []
    marked = re.compile(rf"""(.*?)\s*;\s*extra == ['"]{re.escape(extra)}['"]""")
    return [found[1] for line in lines if (found := marked.fullmatch(line))]


def _described(client: Codemode, tool_filter: Iterable[str] | None) -> str:
    names = [f"tools[{name!r}]" for name in client._offered(tool_filter)]
    text = f"{_PURPOSE} It can call {', '.join(names)}." if names else _PURPOSE
    return text if len(text) <= _DESCRIPTION else f"{_PURPOSE} It can call {len(names)} tools of the application."


def _check(client: Codemode, tool_filter: Iterable[str] | None, given: Mapping[str, Any]) -> None:
    """A wrong value is told to who makes the tool, not to a model that cannot mend it."""
    rules = Rules(
        given.get("on_approval"),
        given.get("max_tool_calls"),
        given.get("check_tools", True),
        given.get("artifact_bytes", ARTIFACT_BYTES),
    )
    sinks = Sinks(given.get("on_stdout"), given.get("on_stderr"), given.get("on_tool_call"))
    values = (given.get("context"), given.get("config"), given.get("correlation_id"))
    names = Names(given.get("variables"), given.get("keep_variables", False), given.get("bare_tools", False))
    options = Options(
        given.get("execution_timeout"), tool_filter, *values, rules, sinks, names, given.get("environment")
    )
    client._call("", options, client._connection.loop.get, call_here)
