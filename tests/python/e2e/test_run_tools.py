"""`codemode run --tools`: code in the sandbox calls the tools of Python files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e import processes
from e2e.daemon import CODEMODE, Daemon

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}

TOOLS = '''
import asyncio
import os
import subprocess
import sys
import threading
from datetime import date
from decimal import Decimal

from codemode import ComponentRegistry, RuntimeContext, Tool, tool

print("loading")
gate = threading.Barrier(4, timeout=60)
agate = []


@tool
def add(a: int, b: int = 1) -> int:
    """The sum.

    Args:
        a: One of them.
    """
    print("adding", a, b)
    return a + b


@tool
async def together(n: int) -> int:
    "Returns once four calls are there."
    agate.append(n)
    while len(agate) < 4:
        await asyncio.sleep(0.001)
    return n


@tool
def together_in_threads(n: int) -> int:
    "Returns once four calls are there."
    gate.wait()
    return n


@tool
def typed(when: date, amount: Decimal):
    "What it got, and more."
    return {"when": [when, date(2024, 2, 29)], "amount": amount * 2, "raw": b"\\x00\\xff", "pair": (1, 2)}


@tool
def fail(path: str) -> None:
    "Fails."
    raise LookupError(f"nothing at {path}")


@tool
def wrong() -> int:
    "Breaks its promise."
    return "text"


@tool
def large(size: int) -> str:
    "Text of this size."
    return "x" * size


@tool
def shout(text: str) -> None:
    "Prints, and so does what it starts."
    print("python", text)
    os.write(1, f"descriptor {text}\\n".encode())
    subprocess.run(["echo", "program", text], check=True)
    sys.stdin.read()


@tool
def whoami(context: RuntimeContext) -> str:
    "Who asks."
    return context.require("user") + context.metadata["secret"]


@tool(approval=True)
def pay(amount: int) -> int:
    "Needs consent."
    return amount


@tool(timeout=0.2)
async def late() -> None:
    "Never in time."
    try:
        await asyncio.Event().wait()
    finally:
        print("late was cancelled", flush=True)


class Store(Tool):
    name = "store"
    description = "Opened and closed."
    is_open = False

    def open(self) -> None:
        self.is_open = True

    def execute(self) -> bool:
        return self.is_open

    def close(self) -> None:
        print("closed", flush=True)


@tool
def end(code: int) -> None:
    "Ends the process of the tools."
    os._exit(code)


def register(registry: ComponentRegistry) -> None:
    registry.discover_tools(sys.modules[__name__])
    registry.register_tool(Store())
    registry.set_context(RuntimeContext({"user": "ada"}, {"secret": "!"}))
    registry.set_config("depth", 2)
'''

Done = subprocess.CompletedProcess[str]


def run(folder: Path, code: str, *arguments: object, environment: dict[str, str] | None = None) -> Done:
    words = [str(CODEMODE), "run", "-", *map(str, arguments)]
    environment = ENVIRONMENT if environment is None else environment
    return subprocess.run(words, input=code, capture_output=True, text=True, cwd=folder, env=environment, timeout=100)


def answered(folder: Path, code: str, *arguments: object) -> Any:
    """The result of code that succeeds."""
    done = run(folder, code, "--tools", "my_tools.py", "--json", *arguments)
    told = json.loads(done.stdout)
    assert (done.returncode, told["outcome"]) == (0, "ok"), (told["error"], done.stderr)
    return told["result"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    (folder / "my_tools.py").write_text(TOOLS)
    return folder


def test_code_calls_the_tools_and_what_they_print_is_not_its_output(folder: Path) -> None:
    done = run(folder, "print('code')\ntools['add'].run(a=1) + tools.add(a=2, b=3)", "--tools", "my_tools.py")
    assert (done.returncode, done.stdout) == (0, "code\n7\n")
    assert done.stderr == "loading\nadding 1 1\nadding 2 3\nclosed\n"
    done = run(folder, "tools.shout(text='loud')\n1", "--tools", "my_tools")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr == "loading\npython loud\ndescriptor loud\nprogram loud\nclosed\n"


def test_async_and_sync_tools_run_at_once(folder: Path) -> None:
    calls = "[{'n': n} for n in range(4)]"
    code = f"[tools[name].map({calls}) for name in ('together', 'together_in_threads')]"
    assert answered(folder, code) == [[0, 1, 2, 3], [0, 1, 2, 3]]


def test_values_keep_their_types_both_ways(folder: Path) -> None:
    code = (
        "import datetime, decimal\n"
        "got = tools.typed(when=datetime.date(2020, 1, 2), amount=decimal.Decimal('1.10'))\n"
        "[repr(got), tools.add(a=1 << 70)]"
    )
    kept = (
        "{'when': [datetime.date(2020, 1, 2), datetime.date(2024, 2, 29)], 'amount': Decimal('2.20'), "
        "'raw': b'\\x00\\xff', 'pair': (1, 2)}"
    )
    assert answered(folder, code) == [kept, (1 << 70) + 1]


def test_arrays_and_tables(tmp_path: Path) -> None:
    (tmp_path / "my_tools.py").write_text(
        "import numpy, pandas\nfrom codemode import tool\n\n@tool\ndef table(values: list[int]):\n    'A table.'\n"
        "    return pandas.DataFrame({'n': numpy.array(values, dtype='int32')})\n"
    )
    code = "t = tools.table(values=[1, 2])\n[type(t).__name__, str(t['n'].dtype), int(t['n'].sum())]"
    assert answered(tmp_path, code) == ["DataFrame", "int32", 3]


CAUGHT = "try:\n    {call}\nexcept ToolError as error:\n    result = [error.error_type, str(error)]"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        ("tools.add(a='many')", "InvalidArguments", "invalid arguments for tool 'add'"),
        ("tools.fail(path='/etc/x')", "LookupError", "nothing at /etc/x"),
        ("tools.wrong()", "InvalidResult", "tool 'wrong' returned what its output schema does not allow"),
        ("tools.pay(amount=1)", "ApprovalDenied", "and `codemode run` asks nobody"),
        ("tools.late()", "ToolTimeout", "late"),
        ("tools['__schema__'].run(name='ad')", "ToolNotFound", "no tool 'ad', did you mean 'add'?"),
        ("tools.large(size=1 << 25)", "ToolResultTooLarge", "limits.value_bytes"),
    ],
)
def test_what_fails_can_be_caught(folder: Path, call: str, kind: str, message: str) -> None:
    told_kind, told = answered(folder, CAUGHT.format(call=call))
    assert told_kind == kind and message in told


def test_a_call_whose_time_is_up_is_cancelled(folder: Path) -> None:
    done = run(folder, CAUGHT.format(call="tools.late()"), "--tools", "my_tools.py")
    assert done.returncode == 0 and "late was cancelled\n" in done.stderr, done.stderr


def test_large_values_in_both_directions(folder: Path) -> None:
    assert answered(folder, "len(tools.large(size=4_000_000))") == 4_000_000
    caught, _ = answered(folder, CAUGHT.format(call="tools.fail(path='y' * 4_000_000)"))
    assert caught == "LookupError"


def test_context_configuration_and_hooks_are_the_sources_own(folder: Path) -> None:
    code = "[tools.whoami(), context['user'], config['depth'], tools.store(), 'secret' in str(context)]"
    assert answered(folder, code) == ["ada!", "ada", 2, True, False]


def test_the_document_lists_the_calls(folder: Path) -> None:
    code = "tools.add(a=1)\ntry:\n    tools.fail(path='x')\nexcept ToolError:\n    pass"
    told = json.loads(run(folder, code, "--tools", "my_tools.py", "--json").stdout)
    calls = [(call["name"], call["arguments"], call["status"], call["error"]) for call in told["tool_calls"]]
    assert calls == [("add", {"a": 1}, "ok", ""), ("fail", {"path": "x"}, "error", "nothing at x")]


def test_warnings_about_values_are_told(tmp_path: Path) -> None:
    (tmp_path / "my_tools.py").write_text(
        "from codemode import tool\n@tool\ndef odd():\n    'Odd.'\n    return {'it': object()}\n"
    )
    told = json.loads(run(tmp_path, "type(tools.odd()['it']).__name__", "--tools", "my_tools.py", "--json").stdout)
    assert told["outcome"] == "ok" and any("odd" in warning for warning in told["warnings"]), told


def test_a_filter_offers_fewer(folder: Path) -> None:
    code = "[tool['name'] for tool in tools['__list__'].run()['tools']]"
    assert answered(folder, code, "--tool-filter", "add,fail", "--tool-filter", "store") == ["add", "fail", "store"]
    done = run(folder, "tools.add(a=1)", "--tools", "my_tools.py", "--tool-filter", "fail")
    assert done.returncode == 1 and "ToolCheckError" in done.stderr and "closed" not in done.stderr
    done = run(folder, "print('ran')", "--tools", "my_tools.py", "--tool-filter", "ad")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("loading\ncodemode: no tool 'ad', did you mean 'add'? (available tools: ")
    done = run(folder, "1", "--tool-filter", "add")
    assert done.returncode == 64 and "--tools" in done.stderr


def test_code_that_calls_what_is_not_there_does_not_run(folder: Path) -> None:
    done = run(folder, "print('ran')\ntools.ad(a=1)", "--tools", "my_tools.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ToolCheckError" in done.stderr and "did you mean 'add'?" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file: my_tools.py"),
        ("def (\n", "my_tools.py, line 1: SyntaxError: invalid syntax"),
        ("import os\nos._exit(0)\n", "loading the tools ended Python: exit status: 0"),
        ("import os\nos.kill(os.getpid(), 9)\n", "loading the tools ended Python: signal: 9 (SIGKILL)"),
        (
            (
                "from codemode import Tool\nclass T(Tool):\n    name = description = 'store'\n"
                "    def execute(self): ...\n"
                "    def open(self):\n        raise OSError('no disk')\nstore = T()\n"
            ),
            "opening tool 'store' failed: OSError: no disk",
        ),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_tools_that_cannot_be_had(tmp_path: Path, text: str | None, message: str, more: tuple[str, ...]) -> None:
    if text is not None:
        (tmp_path / "my_tools.py").write_text(text)
    done = run(tmp_path, "print('ran')", "--tools", "my_tools.py", *more)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"codemode: {message}\n")


def test_an_interpreter_without_the_package(folder: Path) -> None:
    without = folder / "python"
    without.write_text(f'#!/bin/sh\nexec {os.path.realpath("/usr/bin/python3")} -S -I "$@"\n')
    without.chmod(0o755)
    environment = {**ENVIRONMENT, "CODEMODE_GUEST_INTERPRETER": str(without)}
    done = run(folder, "1", "--tools", "my_tools.py", environment=environment)
    assert (done.returncode, done.stdout) == (69, "")
    assert "cannot load tools" in done.stderr and done.stderr.count("\n") == 1


def test_the_code_goes_on_without_the_process_of_the_tools(folder: Path) -> None:
    call = "try:\n    tools.{call}\nexcept ToolError as error:\n    print(error)\n"
    code = call.format(call="end(code=3)") + call.format(call="add(a=1)") + "'done'"
    done = run(folder, code, "--tools", "my_tools.py")
    gone = "the process that runs the tools has ended"
    assert done.returncode == 0 and done.stdout.count(gone) == 2 and done.stdout.endswith("done\n")
    assert done.stderr == f"loading\ncodemode: {gone}: exit status: 3\n"


def test_on_an_executor_of_others(folder: Path, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        assert daemon.key
        key = tmp_path / "key"
        key.write_text(daemon.key)
        where = ("--url", f"http://127.0.0.1:{daemon.port}", "--api-key-file", key)
        assert answered(folder, "[tools.add(a=1), tools.whoami()]", *where) == [2, "ada!"]
        done = run(folder, "tools.end(code=4)", "--tools", "my_tools.py", *where)
        assert done.returncode == 1 and "has ended: exit status: 4" in done.stderr


# --- nothing is left behind

LASTING = """
import subprocess
import sys

from codemode import tool

@tool
def begin(token: str) -> None:
    "Starts a program, says so by its own name, and waits."
    code = f"open('/proc/self/comm', 'w').write('{token}')\\nimport threading; threading.Event().wait()"
    subprocess.run([sys.executable, "-c", code])

@tool
def leave() -> int:
    "Starts a program and forgets it."
    return subprocess.Popen(["sleep", "600"]).pid
"""


@contextmanager
def lasting(folder: Path, token: str) -> Iterator[tuple[subprocess.Popen[str], list[processes.Process]]]:
    """A run in the middle of a call, and the processes of the tools: the one that runs them and what they started."""
    (folder / "my_tools.py").write_text(LASTING)
    process = subprocess.Popen(
        [CODEMODE, "run", "-", "--json", "--tools", "my_tools.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=folder, env=ENVIRONMENT,
    )  # fmt: skip
    with process:
        try:
            assert process.stdin
            process.stdin.write(f"tools.begin(token={token!r})")
            process.stdin.close()
            while not (started := processes.named(token)):
                assert process.poll() is None
            yield process, [*started, *processes.descendants(process.pid)]
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_code_and_tools(tmp_path: Path, token: str, how: signal.Signals) -> None:
    with lasting(tmp_path, token) as (process, started):
        process.send_signal(how)
        assert process.stdout
        told = json.loads(process.stdout.read())
        assert (process.wait(30), told["outcome"]) == (143, "cancelled")
        assert not processes.left_after(started, 0)


def test_a_command_that_is_killed_takes_the_tools_along(tmp_path: Path, token: str) -> None:
    with lasting(tmp_path, token) as (process, started):
        process.kill()
        assert not processes.left_after(started, 30)


def test_what_tools_have_left_ends_with_them(tmp_path: Path) -> None:
    (tmp_path / "my_tools.py").write_text(LASTING)
    pid = answered(tmp_path, "tools.leave()")
    deadline = time.monotonic() + 30
    while processes.state(pid) not in ("gone", "Z", "X"):
        assert time.monotonic() < deadline


STANDING = """
import os
import signal

from codemode import Tool

os.setpgid(0, os.getpgid(os.getppid()))

class Standing(Tool):
    name = "one"
    description = "One."

    def execute(self) -> int:
        return 1

    def close(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

one = Standing()
"""


def test_a_process_that_left_its_group_and_stands_still_is_killed(tmp_path: Path) -> None:
    (tmp_path / "my_tools.py").write_text(STANDING)
    assert answered(tmp_path, "tools.one()") == 1


def test_loading_ends_with_the_command(tmp_path: Path, token: str) -> None:
    (tmp_path / "my_tools.py").write_text(
        f"open('/proc/self/comm', 'w').write({token!r})\nimport threading\nthreading.Event().wait()\n"
    )
    process = subprocess.Popen([CODEMODE, "run", "-", "--tools", "my_tools.py"], stdin=subprocess.DEVNULL, cwd=tmp_path)
    with process:
        try:
            while not (loading := processes.named(token)):
                assert process.poll() is None
        finally:
            process.kill()
        assert not processes.left_after(loading, 30)
