"""The application's tools, agents, teams and flows by name."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from codemode._approval import ApprovalOption
from codemode._context import RuntimeContext, as_context, overlay
from codemode._errors import (
    ComponentAlreadyExistsError,
    ComponentNotFoundError,
    RegistryError,
    did_you_mean,
    nearest,
)
from codemode._fork import track
from codemode._marker import ToolOptions, options_of
from codemode._tool import ToolEntry, make_entry
from codemode.tools import Tool

KINDS = ("tool", "agent", "team", "flow")


class ComponentRegistry:
    """Holds what executed code may call and what belongs to it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self._context: RuntimeContext | None = None
        self._config: dict[str, Any] = {}
        self._revision = 0
        self._lock = threading.RLock()
        track(self)

    # Tools

    def register_tool(
        self,
        name: Any = None,
        tool: Any = None,
        input_schema: Any = None,
        output_schema: Any = None,
        description: str | None = None,
        overwrite: bool = False,
        timeout: float | None = None,
        approval: ApprovalOption = None,
    ) -> None:
        """`register_tool(tool)` or `register_tool("name", tool)`.

        A tool is a `Tool`, a function or async function, an object with `run`, `_run`, `execute` or
        `run_with_context(context, **kw)`, or a tool of CrewAI or LangChain; a class with a constructor that needs no
        arguments is instantiated. Schemas are a pydantic model or JSON Schema, made from type hints where not given.
        `timeout` and `approval` are those of `@tool`.
        """
        if tool is None:
            name, tool = None, name
        if tool is None or (name is None and isinstance(tool, str)):
            raise RegistryError(
                f"register_tool needs a tool, got {tool!r}; write register_tool(tool) or register_tool('name', tool)"
            )
        entry = make_entry(tool, ToolOptions(name, description, input_schema, output_schema, timeout, approval))
        self._add("tool", entry.name, entry, overwrite)

    def register(self, decorated: Any, overwrite: bool = False) -> None:
        """Registers what `@tool` decorated."""
        if options_of(decorated) is None:
            raise RegistryError(f"{decorated!r} is not decorated with @tool; use register_tool for other tools")
        self.register_tool(decorated, overwrite=overwrite)

    def discover_tools(self, *modules: ModuleType | str, overwrite: bool = False) -> list[str]:
        """Registers every `@tool` and every instance of `Tool` found at the top of the modules; returns the names."""
        found: dict[int, Any] = {}
        for module in modules:
            loaded = importlib.import_module(module) if isinstance(module, str) else module
            for value in vars(loaded).values():
                if isinstance(value, Tool) or options_of(value) is not None:
                    found.setdefault(id(value), value)
        entries = [make_entry(value, ToolOptions()) for value in found.values()]
        with self._lock:
            for entry in entries:
                self._add("tool", entry.name, entry, overwrite)
        return [entry.name for entry in entries]

    def get_tool(self, name: str) -> Any:
        """The tool as it was registered."""
        return self._get("tool", name).component

    def describe(self) -> str:
        """The tools as Python stubs, for a person or a model to read: signatures, types, defaults, docstrings.

        `RegistryError` if a tool's name is no Python identifier: a stub cannot have it.
        """
        return render(self.entries())

    # Agents, teams and flows

    def register_agent(self, name: str, agent: Any, overwrite: bool = False) -> None:
        self._add("agent", name, agent, overwrite)

    def register_team(self, name: str, team: Any, overwrite: bool = False) -> None:
        self._add("team", name, team, overwrite)

    def register_flow(self, name: str, flow: Any, overwrite: bool = False) -> None:
        self._add("flow", name, flow, overwrite)

    def get_agent(self, name: str) -> Any:
        return self._get("agent", name)

    def get_team(self, name: str) -> Any:
        return self._get("team", name)

    def get_flow(self, name: str) -> Any:
        return self._get("flow", name)

    # All of them

    def of_type(self, kind: str) -> dict[str, Any]:
        """Name to component, for `tool`, `agent`, `team` or `flow` (their plurals work too)."""
        singular = kind.removesuffix("s")
        if singular not in KINDS:
            raise RegistryError(f"no such kind of component: {kind!r}; there are {', '.join(KINDS)}")
        with self._lock:
            return {name: _component(value) for name, value in self._components[singular].items()}

    def get_component_names(self) -> dict[str, list[str]]:
        """`{"tools": [...], "agents": [...], "teams": [...], "flows": [...]}`"""
        return {f"{kind}s": list(self.of_type(kind)) for kind in KINDS}

    def scoped(self, names: Iterable[str]) -> ScopedRegistry:
        """A view of this registry that shows only these tools."""
        return ScopedRegistry(self, names)

    def clear(self) -> None:
        """Forgets every component, the context and the configuration."""
        with self._lock:
            for named in self._components.values():
                named.clear()
            self._context = None
            self._config.clear()
            self._revision += 1

    # Context and configuration

    def set_context(self, context: RuntimeContext | Mapping[str, Any]) -> None:
        """What context-aware tools receive, and what code reads as `context`, unless the client says otherwise."""
        self._context = as_context(context) if not isinstance(context, RuntimeContext) else context

    def get_context(self) -> RuntimeContext | None:
        return self._context

    def clear_context(self) -> None:
        self._context = None

    def set_config(self, key: str, value: Any) -> None:
        """One value of what code reads as `config`."""
        with self._lock:
            self._config[key] = value

    def get_config(self, key: str | None = None, default: Any = None) -> Any:
        """One value; without a key, all of them."""
        with self._lock:
            return dict(self._config) if key is None else self._config.get(key, default)

    def update_config(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        with self._lock:
            self._config.update(values or {}, **more)

    # For the client

    @property
    def revision(self) -> int:
        return self._revision

    def entries(self) -> Mapping[str, ToolEntry]:
        with self._lock:
            return MappingProxyType(dict(self._components["tool"]))

    def components(self) -> list[tuple[str, Any]]:
        """Every component as `("tool 'name'", component)`, in the order of registration within its kind."""
        with self._lock:
            named = [(kind, name, value) for kind in KINDS for name, value in self._components[kind].items()]
        return [(f"{kind} {name!r}", _component(value)) for kind, name, value in named]

    def include(self, other: Registry) -> None:
        """Takes over another registry's tools as they are, its context and its configuration."""
        with self._lock:
            for name, entry in other.entries().items():
                self._add("tool", name, entry, overwrite=False)
            self.update_config(other.get_config())
            if (context := other.get_context()) is not None:
                self._context = overlay(self._context, context)

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"ComponentRegistry({_counts(self.get_component_names())})"

    def _add(self, kind: str, name: str, value: Any, overwrite: bool) -> None:
        if not isinstance(name, str) or not name.strip():
            raise RegistryError(f"the name of a {kind} must be non-empty text, got {name!r}")
        with self._lock:
            if name in self._components[kind] and not overwrite:
                raise ComponentAlreadyExistsError(
                    f"{kind} {name!r} is already registered; pass overwrite=True to replace it"
                )
            self._components[kind][name] = value
            self._revision += 1

    def _get(self, kind: str, name: str) -> Any:
        with self._lock:
            known = self._components[kind]
            if name in known:
                return known[name]
            raise not_found(kind, name, known)


class ScopedRegistry:
    """A registry seen through a list of tool names. Agents, teams, flows, context and configuration pass through."""

    def __init__(self, parent: ComponentRegistry | ScopedRegistry, names: Iterable[str]) -> None:
        self._parent = parent
        self._names = dict.fromkeys([names] if isinstance(names, str) else names)
        pick(parent.entries(), self._names)

    def get_tool(self, name: str) -> Any:
        entries = self.entries()
        if name not in entries:
            raise not_found("tool", name, entries)
        return entries[name].component

    def describe(self) -> str:
        """As `ComponentRegistry.describe`, of the tools that this view shows."""
        return render(self.entries())

    def get_agent(self, name: str) -> Any:
        return self._parent.get_agent(name)

    def get_team(self, name: str) -> Any:
        return self._parent.get_team(name)

    def get_flow(self, name: str) -> Any:
        return self._parent.get_flow(name)

    def of_type(self, kind: str) -> dict[str, Any]:
        found = self._parent.of_type(kind)
        return {name: found[name] for name in self._names if name in found} if kind in ("tool", "tools") else found

    def get_component_names(self) -> dict[str, list[str]]:
        return {f"{kind}s": list(self.of_type(kind)) for kind in KINDS}

    def scoped(self, names: Iterable[str]) -> ScopedRegistry:
        return ScopedRegistry(self, names)

    def set_context(self, context: RuntimeContext | Mapping[str, Any]) -> None:
        self._parent.set_context(context)

    def get_context(self) -> RuntimeContext | None:
        return self._parent.get_context()

    def clear_context(self) -> None:
        self._parent.clear_context()

    def set_config(self, key: str, value: Any) -> None:
        self._parent.set_config(key, value)

    def get_config(self, key: str | None = None, default: Any = None) -> Any:
        return self._parent.get_config(key, default)

    def update_config(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self._parent.update_config(values, **more)

    @property
    def revision(self) -> int:
        return self._parent.revision

    def entries(self) -> Mapping[str, ToolEntry]:
        # A tool that was removed from the parent is gone here too.
        known = self._parent.entries()
        return {name: known[name] for name in self._names if name in known}

    def components(self) -> list[tuple[str, Any]]:
        shown = {id(entry.component) for entry in self.entries().values()}
        return [
            (label, component)
            for label, component in self._parent.components()
            if not label.startswith("tool ") or id(component) in shown
        ]

    def __repr__(self) -> str:
        return f"ScopedRegistry({_counts(self.get_component_names())})"


Registry = ComponentRegistry | ScopedRegistry


def render(entries: Mapping[str, ToolEntry]) -> str:
    """The stubs of these tools."""
    native = importlib.import_module("codemode._native")
    try:
        return str(native.render_stubs([entry.spec for entry in entries.values()]))
    except native.NativeError as error:
        code, message, *_ = error.args
        raise RegistryError(message, code=code) from None


def pick(entries: Mapping[str, ToolEntry], names: Iterable[str]) -> dict[str, ToolEntry]:
    """The named entries; a name that does not exist is an error, since a typo would silently take a tool away."""
    picked = {}
    for name in names:
        if name not in entries:
            raise not_found("tool", name, entries)
        picked[name] = entries[name]
    return picked


def not_found(kind: str, name: str, known: Iterable[str]) -> ComponentNotFoundError:
    known = list(known)
    near = nearest(str(name), known)
    hint = f", {did_you_mean(near)}" if near else ""
    listing = f"available {kind}s: {', '.join(known)}" if known else f"no {kind} is available"
    error = ComponentNotFoundError(f"no {kind} {name!r}{hint} ({listing})")
    error.suggestions = tuple(near)
    return error


def _component(value: Any) -> Any:
    return value.component if isinstance(value, ToolEntry) else value


def _counts(names: Mapping[str, list[str]]) -> str:
    return ", ".join(f"{kind}={found}" for kind, found in names.items() if found)
