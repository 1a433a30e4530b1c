"""Reads a tool's docstring: what it does, what it takes and what it gives (Google, NumPy and Sphinx style)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_PARAMETERS = ("args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "other parameters")
_RETURNS = ("return", "returns")
_OTHERS = ("raise", "raises", "yield", "yields", "example", "examples", "note", "notes", "attributes", "see also",
           "warning", "warnings")  # fmt: skip
_HEADER = re.compile(rf"^({'|'.join((*_PARAMETERS, *_RETURNS, *_OTHERS))}):?$", re.IGNORECASE)
_GOOGLE = re.compile(r"^\*{0,2}(\w+)\s*(?:\((.*?)\))?\s*:\s*(.*)$")
_NUMPY = re.compile(r"^(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::\s*(.*))?$")
# `:param int days: …` with `param`, `int days` and the words.
_SPHINX = re.compile(r"^:(\w+)\b([^:]*):\s*(.*)$")
_SPHINX_PARAMETERS = ("param", "parameter", "arg", "argument", "key", "keyword", "kwarg")


@dataclass
class Documented:
    """What is said of one parameter; empty where nothing is. `type` is in the docstring's own words."""

    description: str = ""
    type: str = ""

    def add(self, words: str) -> None:
        self.description = f"{self.description} {words}".strip()


@dataclass(frozen=True)
class Docstring:
    """`summary` is the text up to the first section, `returns` the type of the result in the docstring's own words."""

    summary: str
    parameters: Mapping[str, Documented]
    returns: str


@dataclass
class _Section:
    title: str
    is_numpy: bool
    lines: list[str] = field(default_factory=list)


def parse(text: str | None) -> Docstring:
    lines = inspect.cleandoc(text or "").splitlines()
    sections = _sections(lines)
    found: dict[str, Documented] = {}
    returns = ""
    for section in sections:
        if section.title in _PARAMETERS:
            _read_parameters(section, found)
        elif section.title in _RETURNS:
            returns = returns or _return_type(section)
    returns = _read_fields(lines, found) or returns
    return Docstring(_summary(sections[0].lines), found, returns)


def _sections(lines: list[str]) -> list[_Section]:
    """The first has what stands before any header."""
    found = [_Section("", False)]
    for at, line in enumerate(lines):
        if header := _HEADER.match(line):
            following = lines[at + 1].strip() if at + 1 < len(lines) else ""
            found.append(_Section(header[1].lower(), _is_rule(following)))
        else:
            found[-1].lines.append(line)
    return found


def _summary(lines: list[str]) -> str:
    fields = (at for at, line in enumerate(lines) if _SPHINX.match(line))
    return "\n".join(lines[: next(fields, len(lines))]).strip()


def _entries(section: _Section) -> Iterator[tuple[str, list[str]]]:
    """The first line of each entry and the indented lines that follow it."""
    depth: int | None = None
    entry: tuple[str, list[str]] | None = None
    for line in section.lines:
        stripped = line.strip()
        if not stripped or _is_rule(stripped):
            continue
        indent = len(line) - len(line.lstrip())
        if depth is None and (indent or section.is_numpy):
            depth = indent
        if depth is None or indent < depth:
            break  # the text goes on after the section
        if entry and indent > depth:
            entry[1].append(stripped)
            continue
        if entry:
            yield entry
        entry = stripped, []
    if entry:
        yield entry


def _read_parameters(section: _Section, found: dict[str, Documented]) -> None:
    last: list[Documented] = []
    for head, more in _entries(section):
        match = (_NUMPY if section.is_numpy else _GOOGLE).match(head)
        if match is None:  # a description that was not indented
            more = [head, *more]
        elif section.is_numpy:
            names = [name.strip(" *") for name in match[1].split(",")]
            last = [found.setdefault(name, Documented(type=match[2] or "")) for name in names]
        else:
            last = [found.setdefault(match[1], Documented(match[3], match[2] or ""))]
        for parameter in last:
            parameter.add(" ".join(more))


def _return_type(section: _Section) -> str:
    entries = list(_entries(section))
    if not entries or (section.is_numpy and len(entries) > 1):  # several values: a tuple that has no name
        return ""
    head, more = entries[0]
    before, colon, after = head.partition(":")
    if section.is_numpy:
        return (after if colon else head).strip()
    return before.strip() if colon or not (more or len(entries) > 1) else ""


def _read_fields(lines: list[str], found: dict[str, Documented]) -> str:
    """Sphinx's fields; returns the type of the result."""
    returns = ""
    last: tuple[int, Documented] | None = None
    for line in lines:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        match = _SPHINX.match(stripped)
        if match is None:
            if last and stripped and indent > last[0]:
                last[1].add(stripped)
            elif stripped:
                last = None
            continue
        last = None
        kind, words, text = match[1], match[2].split(), match[3]
        if kind in _SPHINX_PARAMETERS and words:
            parameter = found.setdefault(words[-1].lstrip("*"), Documented())
            parameter.add(text)
            parameter.type = " ".join(words[:-1]) or parameter.type
            last = indent, parameter
        elif kind == "type" and words:
            found.setdefault(words[-1].lstrip("*"), Documented()).type = text
        elif kind == "rtype":
            returns = text
    return returns


def _is_rule(line: str) -> bool:
    return bool(line) and set(line) == {"-"}
