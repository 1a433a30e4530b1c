"""The tools that every execution has: what is there, how is it called, what would fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from codemode._marker import ToolOptions
from codemode._registry import not_found
from codemode._tool import ToolEntry, make_entry

# Not docstrings: `python -OO` has none.
_DESCRIPTIONS = {
    "__list__": "Every tool that this code may call.",
    "__schema__": "How one tool is called and what it returns.",
    "__search__": "The tools whose name, parameters or description have these words, the best first.",
}
NAMES = tuple(_DESCRIPTIONS)


def meta_tools(entries: Mapping[str, ToolEntry]) -> dict[str, ToolEntry]:
    """The meta-tools over what one execution may call; they never show more than that."""

    def list_tools() -> dict[str, Any]:
        return {"tools": [_outline(entry) for entry in entries.values()], "count": len(entries)}

    def schema(name: str) -> dict[str, Any]:
        if name not in entries:
            raise not_found("tool", name, entries)
        return _details(entries[name])

    def search(query: str) -> dict[str, Any]:
        words = re.findall(r"\w+", query.lower())
        ranked = [(rank, kind, entry) for entry in entries.values() for rank, kind in [_match(entry, words)] if rank]
        ranked.sort(key=lambda found: -found[0])
        matches = [{**_outline(entry), "match_type": kind} for _, kind, entry in ranked]
        return {"matches": matches, "count": len(matches), "query": query}

    functions = (list_tools, schema, search)
    options = [ToolOptions(name, description) for name, description in _DESCRIPTIONS.items()]
    return {o.name or "": make_entry(f, o, reserved=True) for f, o in zip(functions, options, strict=True)}


def _outline(entry: ToolEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": entry.description,
        "is_async": entry.form.is_async,
        "has_context": entry.form.has_context,
        "has_input_schema": True,
        "has_output_schema": entry.output is not None,
    }


def _details(entry: ToolEntry) -> dict[str, Any]:
    return {
        "tool_name": entry.name,
        "input_schema": entry.input.json,
        "output_schema": entry.output.json if entry.output else None,
        "description": entry.description,
        "is_async": entry.form.is_async,
        "has_context": entry.form.has_context,
    }


def _match(entry: ToolEntry, words: list[str]) -> tuple[int, str]:
    """How well a tool fits the words (0: not at all), and where they were found."""
    places = {
        "name": entry.name.lower(),
        "parameter": " ".join(entry.input.json.get("properties", {})).lower(),
        "description": entry.description.lower(),
    }
    for weight, (kind, text) in zip((100, 10, 1), places.items(), strict=True):
        if hits := sum(word in text for word in words):
            return weight * hits, kind
    return 0, ""
