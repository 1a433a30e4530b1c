"""`tools`, as user code sees it. It filters nothing: which tools may be called, the engine decides."""

from __future__ import annotations

import json

from . import values
from .calls import Call, ToolError, ToolNotFound, gather

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from .channel import Channel, ToolSpec

META_TOOLS: dict[str, ToolSpec] = {
    name: {
        "name": name,
        "description": description,
        "input_schema": schema,
        "output_schema": None,
        "is_async": False,
        "has_context": False,
    }
    for name, description, schema in (
        ("__list__", "Lists the tools.", b'{"properties": {}}'),
        ("__schema__", "One tool's schemas.", b'{"properties": {"name": {}}}'),
        ("__search__", "Searches the tools.", b'{"properties": {"query": {}}}'),
    )
}


class ToolHandle:
    """One tool: `.run(**arguments)` blocks and returns its value, `await .arun(...)` does not block,
    `.map([{...}, ...])` makes many calls at once, `.call(...)` prepares one for `tools.gather`."""

    def __init__(self, tools: Tools, spec: ToolSpec) -> None:
        self._tools = tools
        self._spec = spec
        self.name = spec["name"]
        self.description = self.__doc__ = spec["description"]

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs).run()

    __call__ = run

    def call(self, /, *args: Any, **kwargs: Any) -> Call:
        arguments = {**self._named(args, kwargs), **kwargs} if args else kwargs
        return Call(self._tools._channel, self.name, self._tools._encoded(self.name, arguments))

    arun = call  # a Call is awaitable

    def map(self, arguments: Iterable[Mapping[str, Any]], *, return_exceptions: bool = False) -> list[Any]:
        return gather([self.call(**each) for each in arguments], return_exceptions=return_exceptions)

    @property
    def input_schema(self) -> Any:
        return _json(self._spec["input_schema"])

    @property
    def output_schema(self) -> Any:
        return _json(self._spec["output_schema"])

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Positional arguments get the schema's parameter names, in its order."""
        schema = self.input_schema
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(properties, dict):
            raise self._wrong("pass arguments by keyword: this tool does not declare the names of its parameters.")
        names = list(properties)
        if len(args) > len(names):
            raise self._wrong(f"takes at most {len(names)} arguments, {len(args)} were given.", names)
        twice = [name for name in names[: len(args)] if name in kwargs]
        if twice:
            raise self._wrong(f"got {twice[0]!r} both by position and by keyword.", names)
        return dict(zip(names, args, strict=False))

    def _wrong(self, message: str, names: Iterable[str] = ()) -> ToolError:
        return ToolError(message, tool=self.name, error_type="InvalidArguments", valid_parameters=names)

    def __repr__(self) -> str:
        return f"<tool {self.name!r}: {self.description}>" if self.description else f"<tool {self.name!r}>"


class Tools:
    """A mapping of name to tool that also reads as attributes: `tools['weather'].run(location='NYC')`,
    `tools.weather(location='NYC')`. A tool wins over a method of the same name."""

    def __init__(self, channel: Channel, warnings: list[str]) -> None:
        self._channel = channel
        self._specs: dict[str, ToolSpec] = {}
        self._handles: dict[str, ToolHandle] = {}
        self._value_bytes = 0
        self._warnings = warnings

    def _offer(self, specs: Iterable[ToolSpec], value_bytes: int) -> None:
        self._specs = {spec["name"]: spec for spec in specs}
        self._value_bytes = value_bytes

    def __getitem__(self, name: str) -> ToolHandle:
        if type(name) is not str:  # a subclass may lie about what it equals
            raise self._unknown(str.__str__(name) if isinstance(name, str) else repr(name))
        handle = self._handles.get(name)
        if handle is None:
            spec = self._specs.get(name) or META_TOOLS.get(name)
            if spec is None:
                raise self._unknown(name)
            handle = self._handles[name] = ToolHandle(self, spec)
        return handle

    def __getattr__(self, name: str) -> Any:
        if name in META_TOOLS:
            return self[name]
        if name.startswith("_"):  # a protocol's probe (copy, inspect, …), not a tool that someone misspelt
            raise AttributeError(name)
        if name in self._specs:
            return self[name]
        if name == "gather":
            return gather
        if name in ("keys", "values", "items", "get"):  # what a dict would offer
            return getattr({each: self[each] for each in self._specs}, name)
        raise self._unknown(name)

    def __contains__(self, name: object) -> bool:
        return type(name) is str and name in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __dir__(self) -> list[str]:
        return [*self._specs, "gather"]

    def __repr__(self) -> str:
        return f"<tools: {', '.join(self._specs) or 'none'}>"

    def _encoded(self, tool: str, arguments: dict[str, Any]) -> bytes:
        try:
            data, warnings = values.encode(arguments, max_bytes=self._value_bytes, root=f"tools[{tool!r}] arguments")
        except values.ValueTooLarge as exc:
            message = f"the arguments take at least {exc.size} bytes, the limit is {exc.limit}."
            raise ToolError(message, tool=tool, error_type="ValueTooLarge") from None
        self._warnings += warnings
        return data

    def _unknown(self, name: Any) -> ToolNotFound:
        from difflib import get_close_matches

        near = get_close_matches(str(name), self._specs, n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        have = f"Available tools: {', '.join(self._specs)}." if self._specs else "No tools are available."
        message = f"there is no tool {str(name)!r}.{hint} {have}"
        return ToolNotFound(message, tool=str(name), error_type="ToolNotFound", suggestions=near)


def _json(text: bytes | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
