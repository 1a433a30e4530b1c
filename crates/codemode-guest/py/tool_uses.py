"""Finds the uses of tools in a program that can only fail, whatever surrounds them. One flat pass over the tree."""

from __future__ import annotations

import ast
from functools import partial

from .tool_schemas import Parameters, advised, listed, nearest, shown
from .tools import META_TOOLS, ToolHandle, Tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .channel import ToolSpec
    from .tool_facts import Facts

_MOST_NODES = 200_000  # a larger program is not checked
# What `tools` offers beside the tools, after them (`Tools.__getattr__`).
OFFERED = frozenset(("gather", "keys", "values", "items", "get"))
_CALLING = frozenset(("run", "call", "arun", "__call__"))
_DEFERRING = frozenset(("call", "arun"))  # they prepare a call that fails once it is made
_ATTRIBUTES = frozenset(("name", "description"))  # of a handle, set when it is made
_METHODS = ("run", "arun", "map", "call")
# Annotations may never be evaluated; the others hold no expressions.
_SKIPPED = frozenset(("ctx", "op", "ops", "annotation", "returns", "type_params", "type_ignores", "type_comment"))
# fmt: off
_LEAVES = frozenset((
    type(None), str, int, bool, ast.Name, ast.Constant, ast.Pass, ast.Break, ast.Continue, ast.Import, ast.ImportFrom,
    ast.Global, ast.Nonlocal,
))
# fmt: on
_fields: dict[type, tuple[str, ...]] = {}  # of a kind of node, those that the pass follows


class Suspect:
    """A use that can only fail. `place` is the part of `node` to point at. `deferred`: evaluating it prepares a call
    that fails later. `alias` is the variable that it goes through, `method` the method that does not exist."""

    __slots__ = ("alias", "deferred", "message", "method", "node", "place")

    def __init__(self, node: ast.expr, place: Any, message: Callable[[], str], deferred: bool = False) -> None:
        self.node = node
        self.place = place
        self.message = message
        self.deferred = deferred
        self.alias: str | None = None
        self.method: str | None = None

    def is_meant(self, facts: Facts) -> bool:
        """Whether its names mean what they seem to."""
        return (self.alias is None or facts.is_bound_once(self.alias)) and self.method not in facts.stored_attributes


class Finder:
    def __init__(self, specs: Mapping[str, ToolSpec]) -> None:
        self._specs = specs
        self._parameters: dict[str, Parameters] = {}
        self._aliases: dict[str, str] = {}  # variable: tool, as in `w = tools['weather']`
        self._found: list[Suspect] = []

    def suspects(self, tree: ast.Module) -> list[Suspect]:
        for call in self._calls(tree):
            self._judge(call)
        return self._found

    def _calls(self, tree: ast.Module) -> list[ast.Call]:
        """Every call; on the way, what is said about `tools` itself."""
        calls: list[ast.Call] = []
        todo: list[Any] = [tree]
        for node in todo:
            kind = type(node)
            if kind is ast.Call:
                calls.append(node)
            elif kind is ast.Attribute or kind is ast.Subscript:
                if _is_tools(node.value):
                    self._look_up(node)
            elif kind is ast.Assign:
                self._assign(node)
            fields = _fields.get(kind)
            if fields is None:
                fields = _fields[kind] = tuple(field for field in kind._fields if field not in _SKIPPED)
            for field in fields:
                value = getattr(node, field)
                if type(value) is list:
                    for each in value:  # faster than a comprehension: most lists have one member, or none
                        if type(each) not in _LEAVES:
                            todo.append(each)
                elif type(value) not in _LEAVES:
                    todo.append(value)
            if len(todo) > _MOST_NODES:
                raise ValueError("too large to be checked")
        return calls

    def _look_up(self, node: ast.expr) -> None:
        name, exists = self._tool(node)
        if name is not None and not exists:
            self._add(node, node, partial(self._no_tool, name))

    def _assign(self, node: ast.Assign) -> None:
        name, exists = self._tool(node.value)
        target = node.targets[0]
        if name is not None and exists and len(node.targets) == 1 and type(target) is ast.Name:
            self._aliases[target.id] = name

    def _tool(self, node: ast.AST) -> tuple[str | None, bool]:
        """The tool that an expression names, None if it is none for certain; and whether that exists."""
        if type(node) is ast.Subscript and _is_tools(node.value):
            name = node.slice.value if type(node.slice) is ast.Constant else None
            if type(name) is str:
                return name, name in self._specs or name in META_TOOLS
        elif type(node) is ast.Attribute and _is_tools(node.value):
            if node.attr in META_TOOLS:
                return node.attr, True
            if not node.attr.startswith("_") and not hasattr(Tools, node.attr):
                exists = node.attr in self._specs
                return (node.attr if exists or node.attr not in OFFERED else None), exists
        return None, False

    def _handle(self, node: ast.expr) -> tuple[str | None, str | None]:
        """The existing tool whose handle an expression is, and the variable that it is read from."""
        if type(node) is ast.Name:
            return self._aliases.get(node.id), node.id
        name, exists = self._tool(node)
        return (name if exists else None), None

    def _callee(self, function: ast.expr) -> tuple[str | None, str | None, str]:
        """The existing tool that a call is about, the variable it is read from, and the method."""
        tool, alias = self._handle(function)
        if tool is None and type(function) is ast.Attribute:
            return *self._handle(function.value), function.attr
        return tool, alias, "run"

    def _judge(self, call: ast.Call) -> None:
        tool, alias, method = self._callee(call.func)
        if tool is None:
            return
        before = len(self._found)
        if method in _CALLING:
            self._arguments(call, self._parameters_of(tool), method in _DEFERRING)
        elif method == "map":
            self._rows(call, self._parameters_of(tool))
        elif not method.startswith("_") and method not in _ATTRIBUTES and not hasattr(ToolHandle, method):
            self._add(call, call.func, partial(_no_method, tool, method))
            self._found[-1].method = method
        for suspect in self._found[before:]:
            suspect.alias = alias

    def _parameters_of(self, tool: str) -> Parameters:
        known = self._parameters.get(tool)
        if known is None:
            spec = self._specs.get(tool) or META_TOOLS[tool]
            known = self._parameters[tool] = Parameters(tool, spec["input_schema"])
        return known

    def _arguments(self, call: ast.Call, parameters: Parameters, deferred: bool) -> None:
        if not parameters.readable:
            return
        named = {keyword.arg: keyword for keyword in call.keywords if keyword.arg is not None}
        complete = len(named) == len(call.keywords) and not any(type(each) is ast.Starred for each in call.args)
        names = parameters.names
        if complete and call.args:
            if names is None:
                self._add(call, call.args[0], parameters.nameless)
                return
            if len(call.args) > len(names):
                self._add(call, call.args[len(names)], partial(parameters.too_many, len(call.args)))
                return
            for name in names[: len(call.args)]:
                if name in named:
                    self._add(call, named[name], partial(parameters.twice, name))
        given = {**named, **dict.fromkeys((names or ())[: len(call.args)] if complete else ())}
        self._fit(call, call, parameters, given, complete, deferred)

    def _rows(self, call: ast.Call, parameters: Parameters) -> None:
        """`.map([{…}, …])` with its rows written out."""
        if call.keywords or len(call.args) != 1 or not isinstance(call.args[0], (ast.List, ast.Tuple)):
            return
        for row in call.args[0].elts:
            if type(row) is ast.Dict:
                given: dict[str, Any] = {
                    key.value: key for key in row.keys if type(key) is ast.Constant and type(key.value) is str
                }
                self._fit(call, row, parameters, given, len(given) == len(row.keys), deferred=False)

    def _fit(
        self,
        call: ast.Call,
        row: ast.expr,
        parameters: Parameters,
        given: dict[str, Any],
        complete: bool,
        deferred: bool,
    ) -> None:
        """`given`: where each parameter is named. `complete`: there are no others."""
        strays = [name for name in given if name not in (parameters.names or ())] if parameters.closed else []
        for name in strays:
            self._add(call, given[name], partial(parameters.unknown, name), deferred)
        missing = [name for name in parameters.required if name not in given]
        # A stray one is most likely a missing one, misspelt.
        if complete and missing and not strays:
            self._add(call, row, partial(parameters.missing, missing), deferred)

    def _add(self, node: ast.expr, place: Any, message: Callable[[], str], deferred: bool = False) -> None:
        self._found.append(Suspect(node, place, message, deferred))

    def _no_tool(self, name: str) -> str:
        have = f"available tools: {listed(self._specs)}" if self._specs else "no tools are available"
        return advised(f"there is no tool {shown(name)}", nearest(name, self._specs), have)


def _is_tools(node: ast.expr) -> bool:
    return type(node) is ast.Name and node.id == "tools"


def _no_method(tool: str, method: str) -> str:
    what = f"a tool has no method {shown(method)}"
    return advised(
        what, nearest(method, _METHODS), f"call it as tools[{shown(tool)}].run(...); methods: {listed(_METHODS)}"
    )
