"""The parent of a guest test: plays the executor and its tools, and collects what the guest reported."""

from __future__ import annotations

import base64
import importlib.util
import json
import socket
import subprocess
import sys
import tempfile
import types
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

HERE = Path(__file__).parent
FACE = HERE.parents[2] / "python/codemode"


def _load_values():
    """The codec alone, under a package name of its own: the face around it needs the native extension."""
    package = types.ModuleType("guest_face")
    package.__path__ = [str(FACE)]
    sys.modules["guest_face"] = package
    return importlib.import_module("guest_face._values")


values = _load_values()


@dataclass
class Outcome:
    kind: str | None = None  # None: the guest ended without a Finish frame
    exit_code: int | None = None
    value: object = None
    has_value: bool = False
    error: dict | None = None
    warnings: list = field(default_factory=list)
    violations: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    threads: int = 0
    finishes: int = 0
    stdout: str = ""
    stderr: str = ""
    returncode: int | None = None


def spec(name, *parameters, schema=True):
    text = json.dumps({"type": "object", "properties": {each: {} for each in parameters}}) if schema else None
    return {
        "name": name,
        "description": f"The {name} tool.",
        "input_schema": text,
        "output_schema": None,
        "is_async": False,
        "has_context": False,
    }


def run(code, tools=None, hold=1, hang_up_after=None, specs=None, **overrides):
    """Runs the code with `tools` {name: function}. Answers are held back until `hold` calls are pending and then sent
    in reverse order: calls that are not made in parallel would wait for ever (and hit pytest's time limit)."""
    tools = tools or {}
    start = {
        "code": dedent(code),
        "filename": "main.py",
        "tools": specs or [spec(name, *_parameters(tool)) for name, tool in tools.items()],
        "context": "",
        "config": "",
        "allow_direct_execution": True,
        "allowed_commands": ["ls"],
        "roots": [tempfile.gettempdir(), "/dev", "/proc", sys.prefix, sys.base_prefix, "/usr", "/lib"],
        "result_bytes": 1 << 20,
        "value_bytes": 1 << 20,
        "variables": "",
        "keep_variables": False,
        "bare_tools": False,
        "check_tools": False,  # what a wrong call does when it runs is tested too
        **overrides,
    }
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fd = theirs.fileno()
        command = [sys.executable, "-I", str(HERE / "host.py"), str(fd)]
        with subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL, stdout=out, stderr=err) as child:
            theirs.close()
            outcome = _serve(ours, start, tools, hold, hang_up_after)
        outcome.returncode = child.returncode
        for stream, name in ((out, "stdout"), (err, "stderr")):
            stream.seek(0)
            setattr(outcome, name, stream.read().decode())
    return outcome


def _parameters(tool):
    return tool.__code__.co_varnames[: tool.__code__.co_argcount]


def _serve(sock, start, tools, hold, hang_up_after):
    outcome, pending = Outcome(), []
    with sock, sock.makefile("rb") as reader:
        sock.sendall(json.dumps(start).encode() + b"\n")
        for line in _lines(reader):
            message = json.loads(line)
            if "violation" in message:
                outcome.violations.append(tuple(message["violation"]))
            elif "kind" in message:
                _finished(outcome, message)
            else:
                outcome.calls.append((message["name"], values.decode(message["arguments"])))
                pending.append(message)
                if len(outcome.calls) == hang_up_after:
                    break
                if len(pending) >= hold:
                    for each in reversed(pending):
                        sock.sendall(json.dumps(_answer(each, tools)).encode() + b"\n")
                    pending.clear()
    return outcome


def _lines(reader):
    with suppress(ConnectionResetError):  # what a guest that ended without reading every answer leaves
        yield from reader


def _finished(outcome, message):
    outcome.finishes += 1
    for name in ("kind", "exit_code", "error", "warnings", "threads"):
        setattr(outcome, name, message[name])
    if message["result"] is not None:
        outcome.has_value = True
        outcome.value = values.decode(base64.b64decode(message["result"]))


def _answer(message, tools):
    try:
        got = tools[message["name"]](**values.decode(message["arguments"]))
        return {"call": message["call"], "ok": True, "payload": values.encode(got)[0].decode()}
    except Exception as exc:  # noqa: BLE001 whatever a tool raises
        failure = {
            "type": type(exc).__name__,
            "message": str(exc),
            "valid_parameters": getattr(exc, "valid", []),
            "suggestions": getattr(exc, "near", []),
        }
        return {"call": message["call"], "ok": False, "payload": json.dumps(failure)}
