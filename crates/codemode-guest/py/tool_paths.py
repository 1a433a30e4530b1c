"""Which parts of a program it comes to, and where a failure there certainly ends it."""

from __future__ import annotations

import ast

from .tool_facts import is_exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .tool_facts import Facts, Function

# How sure it is that a failure of an expression ends the program, in order.
_NEVER = -1
_DEFERRED = 0  # handed on, to be run by others: if they run it, and not inside a handler
_LIKELY = 1  # on a branch, in a loop, in a function that is called
_CERTAIN = 2  # whenever the program gets as far

_NOTHING = frozenset(("annotation", "returns", "type_params"))


class Paths:
    """`suspects`: the nodes in question by `id`, and whether evaluating one only prepares what fails."""

    def __init__(self, facts: Facts, suspects: Mapping[int, bool]) -> None:
        self._facts = facts
        self._suspects = suspects
        self._reached: dict[int, int] = {}
        self._entered: dict[str, int] = {}  # functions, how surely
        self._pending: list[tuple[Function, int]] = []
        self._made_now: set[int] = set()  # what is run where it is prepared, by `id`

    def reached(self, tree: ast.Module) -> set[int]:
        """Those that certainly fail, and end the program when it comes to them."""
        if not self._suspects:
            return set()
        self._block(tree.body, _CERTAIN)
        while self._pending:
            function, sure = self._pending.pop()
            self._block(function.body, sure)
        least = self._least()
        return {node for node, sure in self._reached.items() if sure >= least}

    def _least(self) -> int:
        if self._facts.asks:
            return _CERTAIN + 1 if self._facts.exits else _CERTAIN
        return _LIKELY if self._facts.catches else _DEFERRED

    def _block(self, statements: Iterable[ast.stmt], sure: int) -> None:
        for statement in statements:
            self._visit(statement, sure)
            if self._ends(statement):
                return  # what follows is dead

    def _visit(self, node: ast.AST, sure: int) -> None:
        suspect = self._suspects.get(id(node))
        if suspect is not None:
            self._reach(id(node), self._when_made(node, sure) if suspect else sure)
        special = _SPECIAL.get(type(node))
        if special:
            special(self, node, sure)
        else:
            self._children(node, sure)

    def _reach(self, suspect: int, sure: int) -> None:
        self._reached[suspect] = max(self._reached.get(suspect, _NEVER), sure)

    def _when_made(self, prepared: ast.AST, sure: int) -> int:
        """How surely something that was only prepared happens: a deferred call, a coroutine, a generator."""
        if id(prepared) in self._made_now:
            return sure
        return _DEFERRED if self._facts.gathers else _NEVER

    def _children(self, node: ast.AST, sure: int) -> None:
        for field in node._fields:
            value = None if field in _NOTHING else getattr(node, field)
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, ast.AST):
                    self._visit(child, sure)

    def _all(self, nodes: Iterable[ast.AST | None], sure: int) -> None:
        for node in nodes:
            if node is not None:
                self._visit(node, sure)

    def _ends(self, statement: ast.stmt) -> bool:
        """Whether nothing that follows it in its block can run. In doubt it can not."""
        if isinstance(statement, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
            return True
        if isinstance(statement, ast.Expr):
            return isinstance(statement.value, ast.Call) and is_exit(statement.value.func)
        if isinstance(statement, ast.If):
            body, orelse = self._any_ends(statement.body), self._any_ends(statement.orelse)
            truth = self._facts.truth(statement.test)
            if truth is not None:
                return body if truth else orelse
            return body or orelse if self._facts.is_switch(statement.test) else body and orelse
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            return self._any_ends(statement.body)
        if isinstance(statement, ast.While):
            if not self._facts.truth(statement.test):
                return False
            left = any(isinstance(inner, ast.Break) for inner in ast.walk(statement))
            return not left or self._any_ends(each for each in statement.body if not isinstance(each, ast.Break))
        if isinstance(statement, ast.Assert):
            return self._facts.truth(statement.test) is False
        attempt: Any = statement if hasattr(statement, "handlers") else None
        return attempt is not None and (self._any_ends(attempt.finalbody) or self._any_ends(attempt.body))

    def _any_ends(self, statements: Iterable[ast.stmt]) -> bool:
        return any(map(self._ends, statements))

    # ---- statements

    def _if(self, node: Any, sure: int) -> None:
        self._visit(node.test, sure)
        self._branches(node.test, node.body, node.orelse, sure)

    def _branches(self, test: ast.expr, body: list[Any], orelse: list[Any], sure: int) -> None:
        truth = self._facts.truth(test)
        if truth is not None:
            self._block(body if truth else orelse, sure)
        elif not self._facts.is_switch(test):
            self._block(body, min(sure, _LIKELY))
            self._block(orelse, min(sure, _LIKELY))

    def _while(self, node: ast.While, sure: int) -> None:
        self._visit(node.test, sure)
        self._branches(node.test, node.body, node.orelse, min(sure, _LIKELY))

    def _for(self, node: Any, sure: int) -> None:
        self._made_now.add(id(node.iter))
        self._visit(node.iter, sure)
        if not _is_empty(node.iter):
            self._visit(node.target, min(sure, _LIKELY))
            self._block(node.body, min(sure, _LIKELY))
        self._block(node.orelse, min(sure, _LIKELY))

    def _try(self, node: Any, sure: int) -> None:
        if not self._facts.handles(node):
            within = min(sure, _LIKELY) if node.handlers else sure
            self._block(node.body, within)
            self._block(node.orelse, within)
        self._block(node.finalbody, sure)  # handlers run when something went wrong, which it may never do

    def _with(self, node: Any, sure: int) -> None:
        self._all((item.context_expr for item in node.items), sure)
        if self._facts.lets_through(node):
            self._block(node.body, sure)

    def _match(self, node: ast.Match, sure: int) -> None:
        self._visit(node.subject, sure)
        for case in node.cases:
            self._all((case.guard,), min(sure, _LIKELY))
            self._block(case.body, min(sure, _LIKELY))

    def _assert(self, node: ast.Assert, sure: int) -> None:
        self._visit(node.test, min(sure, _LIKELY))

    def _function(self, node: Any, sure: int) -> None:
        """Only what is evaluated where it is defined. The body, when something comes to its name."""
        self._all((*node.decorator_list, *node.args.defaults, *node.args.kw_defaults), sure)

    def _class(self, node: ast.ClassDef, sure: int) -> None:
        self._all((*node.decorator_list, *node.bases, *node.keywords), sure)
        self._block(node.body, sure)

    def _nothing(self, node: ast.AST, sure: int) -> None:
        """Evaluated when somebody asks for it, if ever."""

    # ---- expressions

    def _call(self, node: ast.Call, sure: int) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            self._enter(self._facts.function(function.id), node, min(sure, _LIKELY))
        elif isinstance(function, ast.Attribute):
            self._enter(self._facts.method(function.attr), node, _DEFERRED)
        self._made_now.update(map(id, _made_by(node)))
        if self._facts.runs_what_it_gets(function):
            for given in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._made_now.add(id(given))
                if isinstance(given, ast.Name):
                    self._enter(self._facts.function(given.id), given, _DEFERRED)
        self._children(node, sure)

    def _enter(self, function: Function | None, by: ast.AST, sure: int) -> None:
        if function is None:
            return
        if isinstance(by, ast.Call) and self._facts.is_lazy(function):
            sure = self._when_made(by, sure)
        if self._entered.get(function.name, _NEVER) < sure:
            self._entered[function.name] = sure
            self._pending.append((function, sure))

    def _await(self, node: ast.Await, sure: int) -> None:
        self._made_now.add(id(node.value))
        self._visit(node.value, sure)

    def _lambda(self, node: ast.Lambda, sure: int) -> None:
        self._all((*node.args.defaults, *node.args.kw_defaults), sure)
        if id(node) in self._made_now:
            self._visit(node.body, _DEFERRED)

    def _choice(self, node: ast.IfExp, sure: int) -> None:
        self._visit(node.test, sure)
        truth = self._facts.truth(node.test)
        if truth is not None:
            self._visit(node.body if truth else node.orelse, sure)
        elif not self._facts.is_switch(node.test):
            self._all((node.body, node.orelse), min(sure, _LIKELY))

    def _and_or(self, node: ast.BoolOp, sure: int) -> None:
        for value in node.values:
            self._visit(value, sure)
            sure = min(sure, _LIKELY)
            if self._facts.truth(value) is not None or self._facts.is_switch(value):
                return

    def _compare(self, node: ast.Compare, sure: int) -> None:
        self._all((node.left, node.comparators[0]), sure)
        self._all(node.comparators[1:], min(sure, _LIKELY))

    def _comprehension(self, node: Any, sure: int) -> None:
        first = node.generators[0]
        self._made_now.add(id(first.iter))
        self._visit(first.iter, sure)
        within = min(sure, _LIKELY)
        if isinstance(node, ast.GeneratorExp):
            within = self._when_made(node, _DEFERRED)
        if within == _NEVER or _is_empty(first.iter):
            return
        for each in node.generators:
            if each is not first:
                self._visit(each.iter, within)
            for test in each.ifs:
                self._visit(test, within)
                if self._facts.truth(test) is not None or self._facts.is_switch(test):
                    return
        self._all((getattr(node, field, None) for field in ("elt", "key", "value")), within)


def _is_empty(iterable: ast.expr) -> bool:
    if isinstance(iterable, ast.Constant):
        return not iterable.value
    return not getattr(iterable, "elts", True) or (isinstance(iterable, ast.Dict) and not iterable.keys)


def _made_by(call: ast.Call) -> list[ast.expr]:
    """What a call makes happen that was only prepared: `asyncio.run(main())`, `tools['x'].call(…).run()`."""
    name, of = getattr(call.func, "attr", ""), getattr(call.func, "value", None)
    if name == "run_until_complete" or (name == "run" and getattr(of, "id", "") == "asyncio"):
        return call.args[:1]
    return [of] if name == "run" and of else []


_SPECIAL: dict[type, Callable[[Paths, Any, int], None]] = {
    ast.If: Paths._if,
    ast.While: Paths._while,
    ast.For: Paths._for,
    ast.AsyncFor: Paths._for,
    ast.Try: Paths._try,
    ast.With: Paths._with,
    ast.AsyncWith: Paths._with,
    ast.Match: Paths._match,
    ast.Assert: Paths._assert,
    ast.FunctionDef: Paths._function,
    ast.AsyncFunctionDef: Paths._function,
    ast.ClassDef: Paths._class,
    ast.Call: Paths._call,
    ast.Await: Paths._await,
    ast.Lambda: Paths._lambda,
    ast.IfExp: Paths._choice,
    ast.BoolOp: Paths._and_or,
    ast.Compare: Paths._compare,
    ast.ListComp: Paths._comprehension,
    ast.SetComp: Paths._comprehension,
    ast.DictComp: Paths._comprehension,
    ast.GeneratorExp: Paths._comprehension,
}
if hasattr(ast, "TryStar"):  # 3.11
    _SPECIAL[ast.TryStar] = Paths._try
if hasattr(ast, "TypeAlias"):  # 3.12: evaluated when somebody asks, if ever
    _SPECIAL[ast.TypeAlias] = Paths._nothing
