"""Loads the tools of Python files and modules that are given by name."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from codemode._errors import RegistryError
from codemode._registry import ComponentRegistry, Registry, ScopedRegistry
from codemode.tools import Tool

_OURS = str(Path(__file__).parent)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class ToolModuleError(Exception):
    """A file or module whose tools cannot be had; the text names it, the line and the reason."""


def load_tools(sources: Sequence[str]) -> ComponentRegistry:
    """The tools of each source, which is a Python file or the name of a module.

    A source offers what its function `register(registry)` registers; without one, what its variable `registry` holds;
    without both, every `@tool` and every instance of `Tool` at its top. What it prints goes to stderr.
    """
    loaded = ComponentRegistry()
    owners: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        with contextlib.redirect_stdout(sys.stderr):
            registry = _registry_of(source)
        for name in registry.entries():
            if name in owners:
                raise ToolModuleError(f"tool {name!r} is in {owners[name]} and in {source}; a name is given once")
            owners[name] = source
        loaded.include(registry)
    return loaded


def _registry_of(source: str) -> Registry:
    module = _load(source)
    fresh = ComponentRegistry()
    registry: Registry = fresh
    found = getattr(module, "registry", None)
    with _told(source, module.__file__):
        if register := _register_function(module):
            if inspect.iscoroutinefunction(register):
                raise ToolModuleError(f"{source}: the function register must not be async")
            register(fresh)
        elif isinstance(found, (ComponentRegistry, ScopedRegistry)):
            registry = found
        else:
            fresh.discover_tools(module)
    if not registry.entries():
        raise ToolModuleError(f"{source} has no tools: {_remedy(module)}")
    return registry


def _register_function(module: ModuleType) -> Callable[[ComponentRegistry], object] | None:
    """What we mean, and no other function of that name, such as the one of `atexit`."""
    found = getattr(module, "register", None)
    is_ours = inspect.isfunction(found) and next(iter(inspect.signature(found).parameters), None) == "registry"
    return found if is_ours else None


def _remedy(module: ModuleType) -> str:
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, Tool) and value.__module__ == module.__name__:
            return f"write @tool above the class {name}, or make an instance of it"
    return "write @tool above functions, or a function register(registry)"


def _load(source: str) -> ModuleType:
    path = Path(source)
    if path.is_dir():
        raise ToolModuleError(f"{source} is a folder; name a file in it, or a package by its dotted name")
    if path.is_file():
        return _load_file(source, path.resolve())
    if source.endswith(".py") or os.sep in source:
        raise ToolModuleError(f"no such file: {source}")
    if not _MODULE.fullmatch(source):
        raise ToolModuleError(f"{source} is neither a file nor the name of a module")
    return _load_module(source)


def _load_file(source: str, path: Path) -> ModuleType:
    """As `python FILE` would run it: its folder is the first to be searched by its imports."""
    sys.path.insert(0, str(path.parent))
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"_tools_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ToolModuleError(f"{source} is no Python file: its name does not end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # data classes and models look their module up by name
    with _told(source, str(path)):
        spec.loader.exec_module(module)
    return module


def _load_module(name: str) -> ModuleType:
    origin = None
    with _told(name, None):
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            spec = None
        if spec is None:
            raise ToolModuleError(
                f"no module {name!r}: neither in {os.getcwd()} nor among the packages of {sys.executable}, "
                "and there is no such file"
            )
        origin = spec.origin
    with _told(name, origin):
        return importlib.import_module(name)


@contextlib.contextmanager
def _told(source: str, file: str | None) -> Iterator[None]:
    """What goes wrong in the application's file, as one line with the place."""
    try:
        yield
    except (ToolModuleError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the file is anybody's code, and may end the program as well
        raise ToolModuleError(f"{_place(source, file, error)}: {_words(error)}") from None


def _words(error: BaseException) -> str:
    if isinstance(error, RegistryError):
        return str(error)
    if isinstance(error, SyntaxError):  # Python's own words for it fill several lines
        return f"{type(error).__name__}: {error.msg}"
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _place(source: str, file: str | None, error: BaseException) -> str:
    """The last line of the source that was reached, and where the error came from if that was elsewhere."""
    reached = [
        (frame.filename, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen ", _OURS))
    ]
    if isinstance(error, SyntaxError) and error.filename:
        reached.append((error.filename, error.lineno))
    if not reached:
        return source
    last, line = reached[-1]
    elsewhere = "" if last == file else f" (from {_shown(last)}, line {line})"
    own = [line for name, line in reached if name == file]
    return f"{source}, line {own[-1]}{elsewhere}" if own else f"{source}{elsewhere}"


def _shown(path: str) -> str:
    """A path as short as it can be said from here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
