"""An execution as a model reads it: JSON values or text, bounded, and only what a model can act on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codemode._result import ExecutionResult

# Characters of one account, before the escapes of JSON.
LIMIT = 16_000
# Entries of a list.
_ENTRIES = 20

_HEADINGS = {
    "result": "Result",
    "stdout": "Printed",
    "error": "The code failed",
    "stderr": "Printed to stderr",
    "tool_calls": "Tool calls that already ran; running the code again repeats them",
    "files": "Files in /outputs, handed over to the application",
    "warnings": "Warnings",
    "advice": "What to do",
}

_CORRECT = "Correct the code and run it again."
_NOT_THE_CODE = "The code was ended from outside. Run it again if what it already did may be repeated."
_LESS = "Do the work in smaller parts, one run of code for each; none can ask for more time."
_ADVICE = {
    "timeout": _LESS,
    "cpu_limit": _LESS,
    "memory_limit": "Hold less in memory at once and run the code again.",
    "cancelled": _NOT_THE_CODE,
    "interrupted": _NOT_THE_CODE,
}
# What ends before the first line; an executor says so of every execution that it refused.
_NOTHING_RAN = "Nothing ran. "
_DENIED = "What was denied is denied again: go on without it, or say so."


def account(result: ExecutionResult, limit: int = LIMIT) -> dict[str, Any]:
    """JSON values under the keys of `_HEADINGS`, the most important first; what is empty is left out.

    Of a success `result` is left out where the code only printed.
    """
    room = _Room(limit)
    told: dict[str, Any] = {}
    if not result.success:
        told["error"] = room.text(str(result.error or result.outcome))
    elif result.result_json is not None:
        told["result"] = _value(result, room)
    told["tool_calls"] = [] if result.success else room.entries(_calls(result))
    told["stdout"] = room.text(result.stdout)
    told["stderr"] = room.text(result.stderr)
    told["files"] = room.entries(f"{artifact.path} ({artifact.size} bytes)" for artifact in result.artifacts)
    told["warnings"] = room.entries(result.warnings)
    told["advice"] = "" if result.success else _advice(result)
    return {key: value for key, value in told.items() if key == "result" or value}


def text(told: dict[str, Any]) -> str:
    """The same for frameworks that hand on text. Code that has only a result, or only prints, is answered with that."""
    if not told:
        return "The code ran. It has no result and printed nothing."
    bodies = {key: _body(key, value) for key, value in told.items()}
    if told.keys() in ({"result"}, {"stdout"}):
        return "".join(bodies.values())
    return "\n".join(_section(_HEADINGS[key], body) for key, body in bodies.items())


def _advice(result: ExecutionResult) -> str:
    advice = _ADVICE.get(result.outcome, _CORRECT)
    if any(call.status == "denied" for call in result.tool_calls):
        return f"{advice} {_DENIED}"
    nothing_ran = result.outcome == "rejected" or (result.error and result.error.error_type == "ToolCheckError")
    return _NOTHING_RAN + advice if nothing_ran else advice


def _calls(result: ExecutionResult) -> list[str]:
    counted = Counter(f"{call.name} ({call.status})" for call in result.tool_calls if call.ran)
    return [call if count == 1 else f"{call} {count} times" for call, count in counted.items()]


def _value(result: ExecutionResult, room: _Room) -> Any:
    """Plain JSON; where it is too long, the beginning and the end of its text."""
    from pydantic_core import to_jsonable_python

    try:
        plain = to_jsonable_python(result.result, bytes_mode="base64", fallback=_plain)
        if isinstance(plain, str):
            return room.text(plain)
        whole = json.dumps(plain, ensure_ascii=False)
    except Exception:  # of whatever kind a package has; what came over the wire is JSON in any case
        return room.text(result.result_json or "")
    fitting = room.text(whole)
    # Numbers that are none have no JSON.
    return json.loads(fitting, parse_constant=str) if len(fitting) == len(whole) else fitting


def _plain(value: Any) -> Any:
    """numpy and pandas."""
    if type(value).__name__ == "DataFrame":
        return value.to_dict("records")
    return value.tolist() if hasattr(value, "tolist") else str(value)


class _Room:
    """What is left of the characters. No text takes more than three quarters of it, so that each has some."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def text(self, text: str) -> str:
        most = self._left * 3 // 4
        if len(text) > most:
            mark = f"\n… cut: {len(text)} characters in all …\n"
            kept = max(0, most - len(mark))
            # A cause stands at the end of a traceback, and what a program is about at the beginning of its output.
            text = f"{text[: kept // 2]}{mark}{text[len(text) - (kept - kept // 2) :]}"
        self._left = max(0, self._left - len(text))
        return _sendable(text)

    def entries(self, entries: Iterable[str]) -> list[str]:
        every, told = list(entries), []
        for entry in every[:_ENTRIES]:
            if len(entry) > self._left:
                break
            self._left -= len(entry)
            told.append(_sendable(entry))
        return [*told, f"and {len(every) - len(told)} more"] if len(every) > len(told) else told


def _sendable(text: str) -> str:
    """Half a character, which code can make, can be sent to no model."""
    return text.encode("utf-8", "replace").decode()


def _body(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value.removesuffix("\n")
    return json.dumps(value, ensure_ascii=False) if key == "result" else ", ".join(value)


def _section(heading: str, body: str) -> str:
    return f"{heading}:\n{body}" if "\n" in body else f"{heading}: {body}"
