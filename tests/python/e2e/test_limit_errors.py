"""Each limit has an error of its own. What the code survives is its business, and listed; what it dies of is named."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from codemode import ExecutionResult
from e2e.conftest import Local

MOST_OUTPUT = {"limits": {"output_bytes": "64k"}}


def ending(result: ExecutionResult) -> tuple[str, str, int | None]:
    assert result.error is not None, str(result)
    return result.outcome, result.error.error_type, result.exit_code


def violations(result: ExecutionResult, kind: str) -> list[tuple[str, str]]:
    return [(entry.detail, entry.source) for entry in result.violations if entry.kind == kind]


def is_grouped(result: ExecutionResult) -> bool:
    """Whether a control group counts processes; as an ordinary user a watch stands in."""
    return any(layer.startswith("cgroup") for layer in result.isolation.layers)


def test_code_length(local: Local) -> None:
    result = local({"limits": {"max_code_length": 10}}).execute("1 + 1 + 1 + 1")
    assert ending(result) == ("rejected", "Rejected", None)
    assert "code_too_long" in str(result) and "limits.max_code_length" in str(result)


def test_guest_time(local: Local) -> None:
    result = local({"limits": {"code_timeout": 0.3}}).execute("while True: pass")
    assert ending(result) == ("timeout", "Timeout", 124)
    assert "limits.code_timeout" in str(result)


def test_total_time(local: Local) -> None:
    """It runs on while a tool is awaited, when the code's own time stands still."""
    release = threading.Event()
    client = local({"limits": {"total_timeout": 0.5, "code_timeout": 30}}, wait=lambda: release.wait(60))
    result = client.execute("tools['wait'].run()")
    release.set()
    assert ending(result) == ("timeout", "Timeout", 124)
    assert "limits.total_timeout" in str(result)
    assert [call.status for call in result.tool_calls] == ["abandoned"]


def test_tool_time(local: Local) -> None:
    release = threading.Event()
    client = local({"limits": {"tool_timeout": 0.3}}, wait=lambda: release.wait(60))
    died = client.execute("tools['wait'].run()")
    code = (
        "try: tools['wait'].run()\nexcept TimeoutError as e: result = [isinstance(e, ToolError), e.error_type, str(e)]"
    )
    survived = client.execute(code)
    release.set()
    assert ending(died) == ("error", "ToolTimeout", 1)
    assert "limits.tool_timeout" in str(died)
    assert survived.result[:2] == [True, "ToolTimeout"] and "limits.tool_timeout" in survived.result[2]
    assert [call.status for call in survived.tool_calls] == ["timeout"]


def test_cpu_time(local: Local) -> None:
    """A thread that spins while a tool is awaited: no time of the code's own passes, its CPU time does."""
    release = threading.Event()
    client = local({"limits": {"code_timeout": 1, "cpus": 1}}, wait=lambda: release.wait(60))
    spin = "import threading\ndef spin():\n    while True: pass\n"
    result = client.execute(f"{spin}threading.Thread(target=spin, daemon=True).start()\ntools['wait'].run()")
    release.set()
    assert ending(result) == ("cpu_limit", "CpuLimitExceeded", 152)
    assert "limits.cpus" in str(result)


@pytest.mark.parametrize(
    "code",
    ["kept = []\nwhile True: kept.append(b'x' * (4 << 20))", "bytearray(1 << 45)"],
    ids=["bit by bit", "at once"],
)
def test_memory(local: Local, code: str) -> None:
    result = local({"limits": {"memory_limit": "128Mi"}}).execute(code)
    assert ending(result) == ("memory_limit", "MemoryLimitExceeded", 137)
    assert "limits.memory_limit" in str(result)


CHILDREN = """
import os, signal
def fill():
    while True:
        if os.fork() == 0:
            while True: signal.pause()
"""
THREADS = """
import threading
over = threading.Event()
def fill():
    while True: threading.Thread(target=over.wait, daemon=True).start()
"""


@pytest.mark.parametrize("start", [CHILDREN, THREADS], ids=["processes", "threads"])
def test_processes(local: Local, start: str) -> None:
    client = local({"limits": {"processes": 16}})
    died = client.execute(f"{start}fill()")
    assert ending(died) == ("process_limit", "ProcessLimitExceeded", 1)
    assert "limits.processes" in str(died) and died.error and died.error.line
    # As an ordinary user it is seen by who looks every 10 ms: the code gives it many of those.
    survive = "import time\ntry: fill()\nexcept (OSError, RuntimeError): pass\nwhile time.process_time() < 0.5: pass\n7"
    survived = client.execute(f"{start}{survive}")
    assert survived.result == 7, str(survived)
    ((detail, source),) = violations(survived, "process_limit")
    assert "limits.processes" in detail and source == "supervisor"


def test_what_the_code_only_claims_is_not_the_outcome(local: Local) -> None:
    result = local().execute("import os\nif os.fork() == 0: os._exit(0)\nraise BlockingIOError(11, 'again')")
    expected = ("error", "BlockingIOError") if is_grouped(result) else ("process_limit", "ProcessLimitExceeded")
    assert ending(result)[:2] == expected
    claimed = "e = ToolError('x', error_type='ToolCallLimitExceeded')\nraise e"
    assert ending(local().execute(claimed))[:2] == ("error", "ToolError")


def test_open_files(local: Local) -> None:
    client = local({"limits": {"open_files": 64}})
    fill = "kept = []\nwhile True: kept.append(open('/dev/null'))"
    died = client.execute(fill)
    assert ending(died) == ("error", "OpenFilesLimitExceeded", 1)
    assert "limits.open_files" in str(died)
    survived = client.execute("try:\n    " + fill.replace("\n", "\n    ") + "\nexcept OSError: pass\nlen(kept) < 64")
    assert survived.result is True, str(survived)
    ((detail, source),) = violations(survived, "open_files_limit")
    assert "limits.open_files" in detail and source == "guest"


FILL = """
def fill():
    with open('FOLDER/big', 'wb') as file:
        while True: file.write(b'x' * (1 << 20))
"""


@pytest.mark.parametrize("name", ["sandbox", "tmp", "outputs"])
def test_disk(local: Local, name: str) -> None:
    client = local({"filesystem": {name: {"max_size": "8Mi"}}})
    fill = FILL.replace("FOLDER", f"/{name}")
    died = client.execute(f"{fill}fill()")
    assert ending(died) == ("disk_limit", "DiskLimitExceeded", 1)
    assert "max_size" in str(died) and died.error and "No space left" in died.error.message
    survived = client.execute(f"{fill}try: fill()\nexcept OSError as error: result = error.errno")
    assert survived.result == 28, str(survived)
    ((detail, source),) = violations(survived, "disk_limit")
    assert detail.startswith(f"/{name} is full (filesystem.{name}.max_size") and source == "supervisor"


def test_disk_by_a_command(local: Local) -> None:
    """Nobody raises anything in the code's own process; the full folder is seen all the same."""
    client = local({"filesystem": {"sandbox": {"max_size": "8Mi"}}, "execution": {"allowed_commands": ["cp"]}})
    result = client.execute("import subprocess\nsubprocess.run(['cp', '/dev/zero', '/sandbox/big']).returncode != 0")
    assert result.result is True, str(result)
    assert len(violations(result, "disk_limit")) == 1


def test_files_by_their_number(local: Local) -> None:
    code = (
        "try:\n    for n in range(100_000): open(f'/sandbox/{n}', 'w').close()\nexcept OSError as e: result = e.errno"
    )
    result = local().execute(code)
    assert result.result == 28, str(result)
    assert len(violations(result, "disk_limit")) == 1


def test_one_files_size(local: Local) -> None:
    client = local({"limits": {"file_size": "1Mi"}})
    fill = FILL.replace("FOLDER", "/sandbox")
    died = client.execute(f"{fill}fill()")
    assert ending(died) == ("disk_limit", "DiskLimitExceeded", 1)
    assert "limits.file_size" in str(died)
    survived = client.execute(f"{fill}try: fill()\nexcept OSError as error: result = error.errno")
    assert survived.result == 27, str(survived)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output(local: Local, stream: str) -> None:
    client = local(MOST_OUTPUT)
    result = client.execute(f"import sys\nfor _ in range(20): sys.{stream}.write('x' * 8192)\n7")
    assert ending(result) == ("output_limit", "OutputLimitExceeded", 0)
    assert "limits.output_bytes" in str(result)
    assert result.result == 7, "what the code worked out is not lost"
    ((detail, source),) = violations(result, "output_limit")
    assert detail.startswith(stream) and source == "supervisor"
    # An error of the code's own is the better answer.
    assert ending(client.execute("print('x' * (1 << 20))\n1 / 0"))[:2] == ("error", "ZeroDivisionError")


def test_tool_calls(local: Local) -> None:
    client = local({"limits": {"max_tool_calls": 3}}, echo=lambda value: value)
    died = client.execute("for n in range(9): tools['echo'].run(value=n)")
    assert ending(died) == ("tool_call_limit", "ToolCallLimitExceeded", 1)
    assert "limits.max_tool_calls" in str(died) and died.error and died.error.line == 1
    assert len(died.tool_calls) == 3
    code = "got = []\ntry:\n    for n in range(9): got.append(tools['echo'].run(value=n))\nexcept ToolError: pass\ngot"
    survived = client.execute(code)
    assert survived.result == [0, 1, 2], str(survived)
    ((detail, source),) = violations(survived, "tool_call_limit")
    assert "limits.max_tool_calls" in detail and source == "supervisor"


def test_result_size(local: Local) -> None:
    result = local({"limits": {"result_bytes": "64k"}}).execute("'x' * (1 << 20)")
    assert ending(result) == ("result_too_large", "ResultTooLarge", 137)
    assert "limits.result_bytes" in str(result)


@pytest.mark.parametrize("size", ["128m", "128M", "128Mi", "128MB", "128MiB", 134217728, "134217728", "131072k"])
def test_sizes_in_every_spelling(local: Local, size: Any) -> None:
    """As the seeds, Docker and Kubernetes write them: all of them mean the same."""
    folders = {name: {"max_size": size} for name in ("sandbox", "outputs", "tmp")}
    client = local({"limits": {"memory_limit": "1g", "file_size": size}, "filesystem": folders})
    code = """
import os, resource
[f.f_blocks * f.f_frsize for f in map(os.statvfs, ['/sandbox', '/outputs', '/tmp'])] + [
    resource.getrlimit(resource.RLIMIT_FSIZE)[0]]
"""
    result = client.execute(code)
    assert result.result == [128 << 20] * 4, str(result)
