"""User source to a code object: the last expression is kept, awaiting is lenient, line numbers stay."""

from __future__ import annotations

import ast

from . import awaiting, tool_check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    from .channel import ToolSpec

LAST = "__codemode_last__"  # the global that receives the last expression's value
_CO_COROUTINE = 0x80


class Program:
    """`coroutine`: the code has top-level await, so evaluating it makes a coroutine."""

    __slots__ = ("code", "coroutine", "needs_asyncio", "uses_await")

    def __init__(self, code: CodeType, uses_await: bool, imports_asyncio: bool) -> None:
        self.code = code
        self.coroutine = bool(code.co_flags & _CO_COROUTINE)
        self.uses_await = uses_await
        self.needs_asyncio = imports_asyncio or self.coroutine


def compile_user(
    source: str, filename: str, allow_subprocess: bool, tools: Iterable[ToolSpec] | None = None
) -> Program:
    """Raises what the compiler raises: SyntaxError, or ValueError, RecursionError, MemoryError for parser bombs.
    With `tools`, the calls of tools are checked against them; a problem is a ToolCheckError."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: ast.Module = compile(source, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
    if tools is not None:
        tool_check.verify(tree, source, filename, tools)
    uses_await = "await" in source  # text first: walking the tree costs more than the rest of a small run
    if uses_await:
        _wrap_awaits(tree)
    if not allow_subprocess and "subprocess" in source:
        _refuse_subprocess(tree)
    imports_asyncio = "asyncio" in source and any("asyncio" in _roots(node) for node in ast.walk(tree))
    _keep_last(tree)
    code = compile(tree, filename, "exec", flags, dont_inherit=True)
    return Program(code, uses_await, imports_asyncio)


def _keep_last(tree: ast.Module) -> None:
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        # What `ast.copy_location` does, at a third of its cost: nearly every execution comes by here.
        line, column, end_line, end_column = last.lineno, last.col_offset, last.end_lineno, last.end_col_offset
        place = {"lineno": line, "col_offset": column, "end_lineno": end_line, "end_col_offset": end_column}
        tree.body[-1] = ast.Assign([ast.Name(LAST, ast.Store(), **place)], last.value, **place)


def _wrap_awaits(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Await):
            wrap = ast.copy_location(ast.Name(awaiting.NAME, ast.Load()), node.value)
            node.value = ast.copy_location(ast.Call(wrap, [node.value], []), node.value)


def _refuse_subprocess(tree: ast.Module) -> None:
    """An import statement of user code raises what it would if the module did not exist. Courtesy, not a wall."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                statements[:] = [each for statement in statements for each in _without_subprocess(statement)]


def _without_subprocess(statement: ast.stmt) -> Iterator[ast.stmt]:
    roots = _roots(statement)
    if "subprocess" not in roots:
        yield statement
        return
    before = getattr(statement, "names", [])[: roots.index("subprocess")]
    if before:
        yield ast.copy_location(ast.Import(before), statement)
    raising = ast.parse("raise ModuleNotFoundError(\"No module named 'subprocess'\", name='subprocess')").body[0]
    for node in ast.walk(raising):
        if hasattr(node, "lineno"):
            ast.copy_location(node, statement)
    yield raising


def _roots(node: ast.AST) -> list[str]:
    """The top-level packages that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []
