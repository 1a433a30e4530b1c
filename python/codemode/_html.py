"""An execution as a notebook shows it. All of it was written by code that nobody trusts: everything is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codemode._errors import CodemodeError

if TYPE_CHECKING:
    from codemode._artifact import Artifact
    from codemode._result import ExecutionResult

# Bounds of one page: a notebook keeps all of it in its file.
_CHARACTERS = 10_000  # of one text
_CELL = 150  # of one cell of a table
_ROWS, _COLUMNS = 100, 20
_IMAGES = 8 << 20  # bytes of all images

# Formats that run nothing as the source of an <img>; SVG does so only there.
_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/svg+xml"})
_PRE = "margin:0;white-space:pre-wrap;overflow-wrap:anywhere"
_CELL_STYLE = "text-align:left;vertical-align:top;padding:0 .75em .1em 0"


def page(result: ExecutionResult) -> str:
    """A fragment without scripts, styles of its own or links to elsewhere."""
    parts = [_heading(result), *_value(result), *_error(result)]
    parts += _section("stdout", _pre(result.stdout, result.stdout_truncated) if result.stdout else "")
    parts += _section("stderr", _pre(result.stderr, result.stderr_truncated) if result.stderr else "")
    calls = [
        (call.name, _arguments(call.arguments), call.status, f"{call.duration_ms:.0f} ms", call.error or "")
        for call in result.tool_calls[:_ROWS]
    ]
    header = ("tool", "arguments", "status", "time", "error")
    parts += _section("tool calls", _table(header, calls, len(result.tool_calls)) if calls else "")
    parts += _artifacts(result.artifacts)
    violations = [(violation.kind, violation.detail, violation.source) for violation in result.violations[:_ROWS]]
    table = _table(("kind", "detail", "source"), violations, len(result.violations))
    parts += _section("violations", table if violations else "")
    warnings = [(warning,) for warning in result.warnings[:_ROWS]]
    parts += _section("warnings", _table((), warnings, len(result.warnings)) if warnings else "")
    return f'<div class="codemode-result">{"".join(parts)}</div>'


def _heading(result: ExecutionResult) -> str:
    mark = "✓" if result.success else "✗"
    exit_code = "" if result.exit_code in (None, 0) else f" · exit code {result.exit_code}"
    return f"<div><b>{mark} {_text(result.outcome)}</b>{exit_code} · {result.duration_ms:.0f} ms</div>"


def _value(result: ExecutionResult) -> list[str]:
    if result.result_json is None:
        return []
    value = result.result
    columns, rows, count = _tabular(value)
    if columns:
        return _section("result", _table(columns, rows, count))
    return _section("result", _pre(_shown(value)))


def _error(result: ExecutionResult) -> list[str]:
    if result.error is None:
        return []
    # The cause stands at the end of a traceback, so of a long one the end is shown.
    return _section("error", _pre(str(result.error), keep_end=True))


def _artifacts(artifacts: Sequence[Artifact]) -> list[str]:
    room = _IMAGES
    images, rows = [], []
    for artifact in artifacts[:_ROWS]:
        data = _image(artifact, room)
        if data is not None:
            room -= len(data)
            images.append(_figure(artifact, data))
        else:
            rows.append((artifact.path, f"{artifact.size} bytes", artifact.mime_type, artifact.host_path or ""))
    count = len(artifacts) - len(images)
    table = _table(("file", "size", "type", "where"), rows, count) if rows else ""
    return _section("artifacts", "".join(images) + table)


def _image(artifact: Artifact, room: int) -> bytes | None:
    if artifact.mime_type not in _IMAGE_TYPES or artifact.size > room:
        return None
    try:
        data = artifact.read()
    except CodemodeError:
        return None
    return data if len(data) <= room else None


def _figure(artifact: Artifact, data: bytes) -> str:
    source = f"data:{artifact.mime_type};base64,{base64.b64encode(data).decode()}"
    name = _text(artifact.path, _CELL)
    image = f'<img alt="{name}" style="max-width:100%" src="{source}">'
    return f'<figure style="margin:0">{image}<figcaption>{name}</figcaption></figure>'


def _tabular(value: Any) -> tuple[Sequence[str], list[Sequence[Any]], int]:
    """Columns, rows (no more than are shown) and their number, of what reads best as a table; else no columns."""
    if type(value).__name__ == "DataFrame" and hasattr(value, "head") and hasattr(value, "columns"):
        shown = value.head(_ROWS)
        columns = [str(column) for column in shown.columns[:_COLUMNS]]
        return columns, [row[: len(columns)] for row in shown.itertuples(index=False, name=None)], len(value)
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) and row for row in value):
        return (), [], 0
    columns = list(dict.fromkeys(key for row in value[:_ROWS] for key in row))[:_COLUMNS]
    rows: list[Sequence[Any]] = [[row.get(column, "") for column in columns] for row in value[:_ROWS]]
    return [_shown(column) for column in columns], rows, len(value)


def _section(title: str, body: str) -> list[str]:
    if not body:
        return []
    return [f'<div style="margin-top:.5em"><div style="opacity:.7">{title}</div>{body}</div>']


def _pre(text: str, is_cut: bool = False, keep_end: bool = False) -> str:
    shown = _text(text, _CHARACTERS, keep_end)
    note = "<div><i>the executor kept no more of it</i></div>" if is_cut else ""
    return f'<pre style="{_PRE}">{shown}</pre>{note}'


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]], count: int) -> str:
    head = "".join(f'<th style="{_CELL_STYLE}">{_text(name, _CELL)}</th>' for name in header)
    lines = [f"<tr>{head}</tr>"] if header else []
    total = 0
    for row in rows:
        cells = "".join(f'<td style="{_CELL_STYLE}">{_text(_shown(cell), _CELL)}</td>' for cell in row)
        lines.append(f"<tr>{cells}</tr>")
        total += 1
    note = f"<div><i>{total} of {count} rows</i></div>" if count > total else ""
    return f"<table>{''.join(lines)}</table>{note}"


def _arguments(arguments: Any) -> str:
    if not isinstance(arguments, Mapping):
        return _shown(arguments)
    return ", ".join(f"{key}={_shown(value, quoted=True)}" for key, value in arguments.items())


def _shown(value: Any, quoted: bool = False) -> str:
    try:
        return repr(value) if quoted else str(value)
    except Exception:  # such as an int of more digits than Python turns into text
        return f"<{type(value).__name__}>"


def _text(text: str, limit: int = _CELL, keep_end: bool = False) -> str:
    """Escaped, and no longer than `limit` characters before that."""
    if len(text) > limit:
        text = f"… {text[-limit:]}" if keep_end else f"{text[:limit]}… ({len(text)} characters)"
    # Half a character that the code made would keep a notebook from being saved.
    return html.escape(text.encode("utf-8", "replace").decode())
