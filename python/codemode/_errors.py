"""The exceptions of the public surface. What the *code* did wrong is no exception but an `ExecutionResult`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemode._result import ExecutionResult


class CodemodeError(Exception):
    """Base of everything that Codemode raises.

    `code` is a stable machine-readable word (`unauthenticated`, `overloaded`, …). `retryable` means that nothing ran
    and that the same request may succeed later, unchanged. `execution_id` is set once an execution had one.
    """

    def __init__(
        self, message: str, *, code: str | None = None, retryable: bool = False, execution_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code or self._default_code
        self.retryable = retryable
        self.execution_id = execution_id

    _default_code = "internal"


class ExecutorConnectionError(CodemodeError):
    """The executor cannot be reached, or the connection broke."""

    _default_code = "connection"


class ExecutorTimeoutError(CodemodeError):
    """No frame came from the executor for `ClientConfig.timeout` seconds. A timeout of the code is an outcome."""

    _default_code = "timeout"


class AuthenticationError(CodemodeError):
    """The executor refused the API key, or the certificate of this client."""

    _default_code = "unauthenticated"


class ConfigError(CodemodeError):
    """A setting or policy is wrong; the message names each key."""

    _default_code = "config"


class ExecutorOverloaded(CodemodeError):
    """The executor's queue is full, or it is stopping; nothing ran."""

    _default_code = "overloaded"


class ExecutionFailed(CodemodeError):
    """The code failed and `check=True` was given, or the executor refused the request. `result` has what is known."""

    _default_code = "execution_failed"
    result: ExecutionResult | None = None


class RegistryError(CodemodeError):
    """A component cannot be registered, found or opened."""

    _default_code = "registry"


class ComponentNotFoundError(RegistryError):
    """No such component; the message lists what exists, `suggestions` has the names most like it."""

    _default_code = "component_not_found"
    suggestions: tuple[str, ...] = ()


class ComponentAlreadyExistsError(RegistryError):
    """The name is taken; pass `overwrite=True` to replace the component."""

    _default_code = "component_exists"


class ToolError(Exception):
    """Raise it in a tool to choose the words that the code sees: unlike other messages, its text is passed unchanged.

    `suggestions` are names or values the code could have meant.
    """

    def __init__(self, message: str, *, suggestions: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.suggestions = tuple(suggestions)


ExecutorClientError = CodemodeError

_BY_NAME: dict[str, type[CodemodeError]] = {
    kind.__name__: kind
    for kind in (
        CodemodeError,
        ExecutorConnectionError,
        ExecutorTimeoutError,
        AuthenticationError,
        ConfigError,
        ExecutorOverloaded,
        ExecutionFailed,
    )
}


def from_native(error: BaseException) -> BaseException:
    """The public exception for a `_native.NativeError`; any other exception is returned as it is."""
    if type(error).__name__ != "NativeError" or len(error.args) != 5:
        return error
    code, message, retryable, execution_id, class_name = error.args
    kind = _BY_NAME.get(class_name, CodemodeError)
    return kind(message, code=code, retryable=retryable, execution_id=execution_id)


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The names most like `name`, best first."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=limit, cutoff=0.6)]


def did_you_mean(near: list[str]) -> str:
    """`did you mean 'a' or 'b'?`, empty if there is nothing near."""
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""
