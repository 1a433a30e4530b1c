"""What a whole program says about its names, as far as the check of its tool calls has to know."""

from __future__ import annotations

import ast
import builtins
from collections import Counter

from .calls import ToolNotFound, ToolTimeout
from .tool_uses import OFFERED
from .tool_words import (
    ASKING,
    CATCHING,
    EXITS,
    MANAGERS,
    QUESTIONS,
    REFLECTION,
    RUNNING,
    RUNNING_METHODS,
    SETTINGS,
    TRANSPARENT,
)
from .tools import META_TOOLS, ToolHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Function = ast.FunctionDef | ast.AsyncFunctionDef

# What a use that cannot succeed may raise, and a slow refusal of it.
_RAISED = (ToolNotFound, ToolTimeout, TypeError)
_BUILT_IN = (str, bytes, list, tuple, dict, set)


class Facts:
    """`sound`: `tools` is what the executor put there, wherever it is read. `asks`: the program may choose by what
    tools there are. `exits`: it may end before its last line. `catches`: a failure in it may end nothing.
    `gathers`: calls and coroutines that it prepares are made elsewhere."""

    def __init__(self, tree: ast.Module) -> None:
        self.sound = True
        self.asks = False
        self.stored_attributes: set[str] = set()
        self._bound: Counter[str] = Counter()
        self._constants: dict[str, Any] = {}
        self._functions: dict[str, Function] = {}
        self._owners: dict[str, str] = {}  # of methods: their class
        self._lazy: set[str] = set()
        self._loaded: set[str] = set()
        self._words: set[str] = set()
        self._askers: set[str] = set()  # functions that `tools` was given to
        self._judged: set[int] = set()  # nodes whose parent said all that there is to say
        withs, tries = [], []
        for node in ast.walk(tree):
            self._read(node)
            if isinstance(node, (ast.With, ast.AsyncWith)):
                withs.append(node)
            elif hasattr(node, "handlers"):
                tries.append(node)
        self._words |= self._bound.keys()
        self.gathers = "gather" in self._words
        self.exits = not self._words.isdisjoint(EXITS)
        self.asks |= not self._words.isdisjoint(QUESTIONS)
        self.asks |= any(name in self._words and not self._bound[name] for name in SETTINGS)
        self.sound &= self._words.isdisjoint(REFLECTION) and not any(map(self._bound.get, ("tools", *self._askers)))
        self._own_managers = not self._words.isdisjoint(MANAGERS)
        self.catches = not self._words.isdisjoint(CATCHING) or any(map(self.handles, tries))
        self.catches |= not all(map(self.lets_through, withs))

    def is_bound_once(self, name: str) -> bool:
        return self._bound[name] == 1 and not hasattr(builtins, name)

    def function(self, name: str) -> Function | None:
        """The only thing of this name, if it is a function that nothing wraps."""
        return self._functions.get(name) if name not in self._owners and self.is_bound_once(name) else None

    def method(self, name: str) -> Function | None:
        """The only method of this name, if its class is used, and no built-in type has one as well."""
        used = self._owners.get(name) in self._loaded and self._bound[name] == 1
        return self._functions.get(name) if used and not any(hasattr(kind, name) for kind in _BUILT_IN) else None

    def is_lazy(self, function: Function) -> bool:
        """Whether calling it runs nothing yet."""
        return function.name in self._lazy

    def runs_what_it_gets(self, function: ast.expr) -> bool:
        """Whether it calls what it is given, uses it up, and lets its exceptions through."""
        if isinstance(function, ast.Attribute):
            return function.attr in RUNNING_METHODS
        return isinstance(function, ast.Name) and function.id in RUNNING and not self._bound[function.id]

    def handles(self, node: Any) -> bool:
        """Whether a `try` may catch what a tool call raises, or leave with something else."""
        if any(self._catches(handler) for handler in node.handlers):
            return True
        last = [inner for statement in node.finalbody for inner in ast.walk(statement)]
        return any(isinstance(inner, (ast.Return, ast.Break, ast.Continue)) or is_exit(inner) for inner in last)

    def lets_through(self, node: Any) -> bool:
        """Whether a `with` certainly swallows no exception."""
        return not self._own_managers and all(self._is_transparent(item.context_expr) for item in node.items)

    def truth(self, test: ast.expr) -> bool | None:
        """What a condition always is; None where that depends on data."""
        if isinstance(test, ast.Constant):
            return bool(test.value)
        if isinstance(test, ast.Name):
            if test.id == "TYPE_CHECKING":
                return False
            return bool(self._constants[test.id]) if self._is_constant(test.id) else None
        if isinstance(test, ast.Attribute):
            return False if test.attr == "TYPE_CHECKING" else None
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.truth(test.operand)
            return None if inner is None else not inner
        return True if _is_main_guard(test) and not self._bound["__name__"] else None

    def is_switch(self, test: ast.expr) -> bool:
        """Whether a condition depends on nothing but constants, as in `MODE == 'live'`: the program's own choice."""
        if _is_main_guard(test):
            return False
        return all(
            self._is_constant(node.id) if isinstance(node, ast.Name) else not isinstance(node, _DATA)
            for node in ast.walk(test)
        )

    # ---- one node at a time

    def _read(self, node: ast.AST) -> None:
        for name in _names_bound(node):
            self._bound[name] += 1
        if isinstance(node, ast.Name):
            self._words.add(node.id)
            if isinstance(node.ctx, ast.Load):
                self._loaded.add(node.id)
            if node.id == "tools" and id(node) not in self._judged:
                self.sound = False  # handed on: who has it may change it
        elif isinstance(node, ast.Attribute):
            self._attribute(node)
        elif isinstance(node, ast.Subscript):
            self._subscript(node)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ASKING and any(map(_is_tools, node.args)):
                self._askers.add(node.func.id)
                self._ask(*node.args)
        elif isinstance(node, ast.Compare):
            self._compare(node)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            self._ask(node.iter)
        elif isinstance(node, ast.Constant):
            self._constant(node)
        elif isinstance(node, ast.Assign):
            if (
                len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
                and isinstance(node.value, ast.Constant)
            ):
                self._constants[node.targets[0].id] = node.value.value
        elif isinstance(node, _FUNCTIONS):
            if not node.decorator_list:  # a decorator may catch, retry, or never call it
                self._functions[node.name] = node
                if isinstance(node, ast.AsyncFunctionDef) or _yields(node):
                    self._lazy.add(node.name)
        elif isinstance(node, ast.ClassDef):
            self._owners.update((each.name, node.name) for each in node.body if isinstance(each, _FUNCTIONS))
        elif isinstance(node, ast.keyword) and node.arg == "return_exceptions":
            self._words.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._words.update((getattr(node, "module", None) or "").split("."))
            self._words.update(part for alias in node.names for part in alias.name.split("."))

    def _attribute(self, node: ast.Attribute) -> None:
        self._words.add(node.attr)
        if not isinstance(node.ctx, ast.Load):
            self.stored_attributes.add(node.attr)
            # A method of a tool, or what a class looks up on its own, in whoever's object.
            self.sound &= not (node.attr.startswith("__") or hasattr(ToolHandle, node.attr))
        if _is_tools(node.value):
            self._judged.add(id(node.value))
            self.asks |= node.attr in OFFERED - {"gather"} or node.attr in META_TOOLS
            internal = node.attr.startswith("_") and node.attr not in META_TOOLS
            self.sound &= isinstance(node.ctx, ast.Load) and not internal

    def _subscript(self, node: ast.Subscript) -> None:
        if _is_tools(node.value):
            self._judged.add(id(node.value))
            self.asks |= isinstance(node.slice, ast.Constant) and node.slice.value in META_TOOLS
            self.sound &= isinstance(node.ctx, ast.Load)

    def _compare(self, node: ast.Compare) -> None:
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                self._ask(operand)
        if _is_main_guard(node):
            self._judged.update(map(id, (node.left, *node.comparators)))

    def _constant(self, node: ast.Constant) -> None:
        # A module is changed by its name too: patch('__main__.tools'), a file written to be imported.
        if isinstance(node.value, str) and (node.value == "tools" or "__main__" in node.value):
            self.sound &= id(node) in self._judged

    def _ask(self, *places: ast.expr) -> None:
        for node in filter(_is_tools, places):
            self.asks = True
            self._judged.add(id(node))

    def _catches(self, handler: ast.ExceptHandler) -> bool:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        for kind in kinds:
            known = (
                getattr(builtins, kind.id, None) if isinstance(kind, ast.Name) and not self._bound[kind.id] else None
            )
            if not (isinstance(known, type) and issubclass(known, BaseException)):
                return True
            if any(issubclass(raised, known) for raised in _RAISED):
                return True
        return False

    def _is_transparent(self, manager: ast.expr) -> bool:
        if not isinstance(manager, ast.Call):
            return False
        name = getattr(manager.func, "attr", None) or getattr(manager.func, "id", None)
        return name in TRANSPARENT and self._functions.get(name) is None

    def _is_constant(self, name: str) -> bool:
        return name in self._constants and self.is_bound_once(name)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DATA = (ast.Call, ast.Attribute, ast.Subscript, ast.Await, ast.NamedExpr, ast.JoinedStr)


def is_exit(node: ast.AST) -> bool:
    """A call or a mention that ends the program."""
    return getattr(node, "attr", None) in EXITS or getattr(node, "id", None) in EXITS


def _is_tools(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "tools"


def _yields(function: Function) -> bool:
    """Or a function inside it does."""
    return any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(function))


def _is_main_guard(node: ast.AST) -> bool:
    """`__name__ == '__main__'`, which is always so here."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)):
        return False
    left, right = node.left, node.comparators[0]
    if isinstance(right, ast.Name):
        left, right = right, left
    return (
        isinstance(left, ast.Name)
        and left.id == "__name__"
        and isinstance(right, ast.Constant)
        and right.value == "__main__"
    )


def _names_bound(node: ast.AST) -> Iterator[str]:
    """The names that a node itself gives a meaning to, or takes it from, in whatever scope."""
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id
    elif isinstance(node, ast.alias):
        yield "tools" if node.name == "*" else (node.asname or node.name.partition(".")[0])
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from node.names
    elif isinstance(node, ast.MatchMapping):
        if node.rest:
            yield node.rest
    else:
        name = getattr(node, "name", None)  # functions, classes, handlers, captures, type parameters
        if isinstance(name, str):
            yield name
