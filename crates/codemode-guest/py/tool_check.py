"""Checks a program's tool calls before any line of it runs: tools, parameters and methods that do not exist.

What is reported is certain twice over. The use can only fail (`tool_uses`): `tools['wether']`, `weather.run(citi=…)`.
And the program comes to it with nothing around it that handles the failure (`tool_paths`), while its names mean what
they seem to (`tool_facts`). Where either is in doubt the check is silent, and the use fails where it stands.

What "comes to it" means. A branch or a loop over data counts as taken, and the body of a function as run, if it is
called: they were written to run, and an error halfway leaves half of the work done. Not taken: dead code, functions
that nothing mentions, error handlers, and every choice that may depend on what tools there are. A program that asks
for that (`in tools`, `hasattr`, `context`, …) is held only to what it does unconditionally. Code that is handed on (a
lambda, a callback) is checked where nothing in the program could catch its failure.

Most programs are right: `tool_uses` is one quick pass, and the other two look only at programs with a suspect in them.
"""

from __future__ import annotations

from .tool_facts import Facts
from .tool_paths import Paths
from .tool_uses import Finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable
    from typing import Any

    from .channel import ToolSpec

MOST = 20  # problems that are listed


class Problem:
    """`column` and `end_column` count bytes of UTF-8 from 0, as the parser does; the end is None on a later line."""

    __slots__ = ("column", "end_column", "line", "message")

    def __init__(self, message: str, place: Any) -> None:
        self.message = message
        self.line: int = place.lineno
        self.column: int = place.col_offset
        self.end_column: int | None = place.end_col_offset if place.end_lineno == place.lineno else None

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class ToolCheckError(SyntaxError):
    """Shown as a SyntaxError is: the first line with a problem, where in it, and then every problem."""

    __module__ = "builtins"  # tracebacks print the bare name

    def __init__(self, problems: list[Problem], source: str, filename: str) -> None:
        first = problems[0]
        lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # as the parser counts them
        text = lines[first.line - 1] if first.line <= len(lines) else ""
        start, end = (_characters(text, column) for column in (first.column, first.end_column))
        place = (filename, first.line, start, text, first.line, end)
        super().__init__("\n".join(map(str, problems)), place)

    def __str__(self) -> str:
        return str(self.msg)  # SyntaxError would append the file and the line


def verify(tree: ast.Module, source: str, filename: str, tools: Iterable[ToolSpec]) -> None:
    """Raises a ToolCheckError if there are problems."""
    if "tools" in source and "(" in source:
        problems = check(tree, tools)
        if problems:
            raise ToolCheckError(problems, source, filename)


def check(tree: ast.Module, tools: Iterable[ToolSpec]) -> list[Problem]:
    """All problems in the order of their lines; after `MOST` of them one that counts the rest. Never raises."""
    try:
        suspects = Finder({spec["name"]: spec for spec in tools}).suspects(tree)
        if not suspects:
            return []
        facts = Facts(tree)
        suspects = [suspect for suspect in suspects if facts.sound and suspect.is_meant(facts)]
        reached = Paths(facts, {id(suspect.node): suspect.deferred for suspect in suspects}).reached(tree)
        certain = [suspect for suspect in suspects if id(suspect.node) in reached]
        certain.sort(key=lambda suspect: (suspect.place.lineno, suspect.place.col_offset))
        problems = [Problem(suspect.message(), suspect.place) for suspect in certain[:MOST]]
        if len(certain) > MOST:
            problems.append(Problem(f"and {len(certain) - MOST} more problems from here on", certain[MOST].place))
        return problems
    except Exception:  # noqa: BLE001 too deep, too large: the compiler or the run will tell what is wrong with it
        return []


def _characters(text: str, column: int | None) -> int:
    """The column as SyntaxError counts it: characters from 1; 0 for none."""
    return 0 if column is None else len(text.encode("utf-8", "replace")[:column].decode("utf-8", "replace")) + 1
