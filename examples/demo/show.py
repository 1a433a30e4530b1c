"""Prints one execution as a person wants to see it."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable

from codemode import ExecutionResult

WIDTH = 100


class Style:
    """Colours for a terminal, nothing otherwise; NO_COLOR is respected."""

    def __init__(self) -> None:
        self._on = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def good(self, text: str) -> str:
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        return self._paint("31", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text


def show(number: int, title: str, code: str, result: ExecutionResult) -> None:
    style = Style()
    print(style.bold(f"{number}. {title}"))
    print()
    for line, text in enumerate(code.rstrip("\n").split("\n"), start=1):
        print(style.dim(f"  {line:3}  {text}".rstrip()))
    print()
    _part("tool calls", _tool_calls(result))
    _part("stdout", _cut(result.stdout))
    _part("stderr", _cut(result.stderr))
    if result.success:
        _part("result", _cut(str(result) if result.result_json is not None else ""))
    else:
        _part("error", _cut(str(result)))
    _part("files", [f"{file.host_path or file.path}  {file.size} B  {file.mime_type}" for file in result.artifacts])
    _part("violations", [f"{entry.kind}: {entry.detail} ({entry.source})" for entry in result.violations])
    _part("warnings", result.warnings)
    _part("time", [_time(result)])
    _part("isolation", _isolation(result))
    verdict = style.good("ok") if result.success else style.bad(f"{result.outcome}, exit code {result.exit_code}")
    _part("outcome", [verdict])
    print()


def _part(label: str, lines: Iterable[str]) -> None:
    for index, line in enumerate(lines):
        print(f"  {label if index == 0 else '':<11} {line}")


def _tool_calls(result: ExecutionResult) -> list[str]:
    def one(arguments: object) -> str:
        pairs = arguments.items() if isinstance(arguments, dict) else [("…", arguments)]
        return textwrap.shorten(", ".join(f"{name}={value!r}" for name, value in pairs), 64, placeholder=" …")

    calls = [(f"{call.name}({one(call.arguments)})", call) for call in result.tool_calls]
    return [f"{text:<78} {call.duration_ms:8.1f} ms  {call.error or call.status}" for text, call in calls]


def _time(result: ExecutionResult) -> str:
    usage = result.usage
    return (
        f"{result.duration_ms:.1f} ms in all; {usage.guest_ms:.1f} ms in the code, {usage.tool_ms:.1f} ms in tools, "
        f"{usage.cpu_ms:.1f} ms of CPU; peak memory {usage.peak_memory_bytes / 2**20:.1f} MiB"
    )


def _isolation(result: ExecutionResult) -> list[str]:
    held = result.isolation
    layers = textwrap.wrap(f"tier {held.tier}: {' · '.join(held.layers)}", WIDTH)
    return layers + [line for text in held.substitutes for line in textwrap.wrap(f"instead of {text}", WIDTH)]


def _cut(text: str, limit: int = 12) -> list[str]:
    lines = [line if len(line) <= 200 else line[:199] + "…" for line in text.rstrip("\n").split("\n")] if text else []
    return lines if len(lines) <= limit else [*lines[:limit], f"… {len(lines) - limit} more lines"]
