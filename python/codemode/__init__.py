"""Codemode: run code written by a language model in a kernel-enforced sandbox that can call your own tools back.

>>> from codemode import Codemode
>>> print(Codemode().execute("2 + 2"))
4
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codemode._client import AsyncCodemode as AsyncCodemode
    from codemode._client import Codemode as Codemode
    from codemode._context import RuntimeContext as RuntimeContext
    from codemode._errors import AuthenticationError as AuthenticationError
    from codemode._errors import CodemodeError as CodemodeError
    from codemode._errors import ComponentAlreadyExistsError as ComponentAlreadyExistsError
    from codemode._errors import ComponentNotFoundError as ComponentNotFoundError
    from codemode._errors import ConfigError as ConfigError
    from codemode._errors import ExecutionFailed as ExecutionFailed
    from codemode._errors import ExecutorClientError as ExecutorClientError
    from codemode._errors import ExecutorConnectionError as ExecutorConnectionError
    from codemode._errors import ExecutorOverloaded as ExecutorOverloaded
    from codemode._errors import ExecutorTimeoutError as ExecutorTimeoutError
    from codemode._errors import RegistryError as RegistryError
    from codemode._errors import ToolError as ToolError
    from codemode._registry import ComponentRegistry as ComponentRegistry
    from codemode._registry import ScopedRegistry as ScopedRegistry
    from codemode._result import ExecutionError as ExecutionError
    from codemode._result import ExecutionResult as ExecutionResult
    from codemode.config import ClientConfig as ClientConfig
    from codemode.tools import ContextAwareTool as ContextAwareTool
    from codemode.tools import Tool as Tool
    from codemode.tools import tool as tool

    __version__: str

# Nothing is imported before it is asked for: pydantic alone costs a tenth of a second, and a program that only
# catches a CodemodeError or reads the version must not pay for it.
_HOME = {
    "AsyncCodemode": "_client",
    "AuthenticationError": "_errors",
    "ClientConfig": "config",
    "Codemode": "_client",
    "CodemodeError": "_errors",
    "ComponentAlreadyExistsError": "_errors",
    "ComponentNotFoundError": "_errors",
    "ComponentRegistry": "_registry",
    "ConfigError": "_errors",
    "ContextAwareTool": "tools",
    "ExecutionError": "_result",
    "ExecutionFailed": "_errors",
    "ExecutionResult": "_result",
    "ExecutorClientError": "_errors",
    "ExecutorConnectionError": "_errors",
    "ExecutorOverloaded": "_errors",
    "ExecutorTimeoutError": "_errors",
    "RegistryError": "_errors",
    "RuntimeContext": "_context",
    "ScopedRegistry": "_registry",
    "Tool": "tools",
    "ToolError": "_errors",
    "tool": "tools",
}

# Written out, because type checkers read it and do not run it.
__all__ = [
    "AsyncCodemode",
    "AuthenticationError",
    "ClientConfig",
    "Codemode",
    "CodemodeError",
    "ComponentAlreadyExistsError",
    "ComponentNotFoundError",
    "ComponentRegistry",
    "ConfigError",
    "ContextAwareTool",
    "ExecutionError",
    "ExecutionFailed",
    "ExecutionResult",
    "ExecutorClientError",
    "ExecutorConnectionError",
    "ExecutorOverloaded",
    "ExecutorTimeoutError",
    "RegistryError",
    "RuntimeContext",
    "ScopedRegistry",
    "Tool",
    "ToolError",
    "__version__",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOME:
        value = getattr(importlib.import_module(f"codemode.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'codemode' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("codemode-runtime")
    except PackageNotFoundError:  # imported from a source tree that nobody installed
        return "0+unknown"
