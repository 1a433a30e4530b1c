"""Reads a tool's docstring: what it does, and what each parameter means (Google, NumPy and Sphinx style)."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Params|Keyword Args|Other Parameters):?$", re.IGNORECASE)
_OTHER_SECTION = re.compile(
    r"^(Returns?|Raises?|Yields?|Examples?|Notes?|Attributes|See Also|Warnings?):?$", re.IGNORECASE
)
_GOOGLE = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY = re.compile(r"^\*{0,2}(\w+)\s*(?::.*)?$")
_SPHINX = re.compile(r"^:param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_SPHINX_OTHER = re.compile(r"^:\w+[^:]*:")


def summary(text: str | None) -> str:
    """The docstring up to its first section, as one text."""
    kept: list[str] = []
    for line in inspect.cleandoc(text or "").splitlines():
        if _SECTION.match(line) or _OTHER_SECTION.match(line) or _SPHINX_OTHER.match(line):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def parameters(text: str | None) -> dict[str, str]:
    """Parameter name to its description."""
    found: dict[str, str] = {}
    in_section, numpy, entry_indent, name = False, False, None, ""
    all_lines = inspect.cleandoc(text or "").splitlines()
    for at, line in enumerate(all_lines):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if sphinx := _SPHINX.match(stripped):
            name, in_section, entry_indent = sphinx[1], True, indent
            found[name] = sphinx[2]
        elif _SECTION.match(line):
            following = all_lines[at + 1].strip() if at + 1 < len(all_lines) else ""
            in_section, entry_indent, name = True, None, ""
            numpy = bool(following) and set(following) == {"-"}
        elif _OTHER_SECTION.match(line) or _SPHINX_OTHER.match(stripped):
            in_section = False
        elif not in_section or not stripped or set(stripped) == {"-"}:
            continue
        elif entry_indent is None or indent <= entry_indent:
            match = (_NUMPY if numpy else _GOOGLE).match(stripped)
            if not match or (not numpy and indent == 0):
                in_section = False
                continue
            entry_indent, name = indent, match[1]
            found[name] = "" if numpy else match[2]
        elif name:
            found[name] = f"{found[name]} {stripped}".strip()
    return {name: words for name, words in found.items() if words}
