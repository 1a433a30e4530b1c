"""What the code is told about a tool call that has no value: enough to do better, nothing about the host."""

from __future__ import annotations

import json
import os
import re

from codemode._errors import ComponentNotFoundError, ToolError
from codemode._tool import InvalidArguments
from codemode._values import ValueTooLarge

MAX_MESSAGE = 4000

# A quoted path may hold spaces, a bare one ends at punctuation. What follows a word, a colon or a slash is part of a
# URL or a ratio, no path of its own.
_PATH = re.compile(
    r"""(?P<quote>['"])(?P<quoted>/[^'"\n]+)(?P=quote)|(?:file://|(?<![\w:/.<]))(?P<bare>/[^\s'":;,()<>\[\]]+)"""
)
# `<weather.Report object at 0x7f31c0>`, in an error that quotes it.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+(?=[>,; ])")


def failure(error: BaseException, arguments: bytes) -> bytes:
    """The failure as the wire has it. `arguments` are what the code sent: a path in them is no secret to it."""
    valid: list[str] = []
    near: list[str] = []
    kind = type(error).__name__
    if isinstance(error, InvalidArguments):
        message, valid, near = str(error), error.valid_parameters, error.suggestions
    elif isinstance(error, ToolError):
        message, near = str(error), list(error.suggestions)
    elif isinstance(error, ComponentNotFoundError):
        kind, message, near = "ToolNotFound", str(error), list(error.suggestions)
    elif isinstance(error, ValueTooLarge):
        kind = "ToolResultTooLarge"
        allowed = f"at most {error.limit} are allowed (limits.value_bytes)"
        message = f"the result takes at least {error.size} bytes; {allowed}"
    else:
        message = without_host_details(_message(error), arguments.decode("utf-8", "replace"))
    # Half a character is no text, and a reader of the wire would refuse all of this for it.
    message = message.encode("utf-8", "replace").decode()
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}… ({len(message)} characters)"
    body = {"type": kind, "message": message, "valid_parameters": valid, "suggestions": near}
    return json.dumps(body).encode()


def without_host_details(message: str, known: str = "") -> str:
    """The message without paths of this machine, and without the addresses that a default repr shows."""
    return without_host_paths(_ADDRESS.sub("", message), known)


def without_host_paths(message: str, known: str = "") -> str:
    """The message with `<host path>` for every path of this machine that does not occur in `known`."""

    def replaced(match: re.Match[str]) -> str:
        path = match["quoted"] or match["bare"]
        if path in known or not _is_of_this_host(path):
            return match[0]
        return f"{match['quote']}<host path>{match['quote']}" if match["quote"] else "<host path>"

    return _PATH.sub(replaced, message)


def _is_of_this_host(path: str) -> bool:
    """`/home/x` is, whether or not it exists; `/api/v1/users` in a message about a web service is not."""
    top = path.lstrip("/").split("/", 1)[0]
    return bool(top) and "\0" not in top and os.path.lexists(f"/{top}")


def _message(error: object) -> str:
    if isinstance(error, KeyError) and len(error.args) == 1:
        error = error.args[0]  # its str() is a repr
    try:
        return str(error)
    except BaseException as refused:  # its text is the tool's code as well, and its failure is told in any case
        return f"its text cannot be had: {type(refused).__name__}"
