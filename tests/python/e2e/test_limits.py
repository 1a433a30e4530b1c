"""What bad input gets: too much time, memory, output, disk, processes. Every process ends, the executor does not."""

from __future__ import annotations

import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from codemode import ClientConfig, Codemode
from e2e import processes
from e2e.conftest import COMMANDS, Local, executor_of
from e2e.daemon import KEY, Daemon

# Gives this process and all it starts from here on a name that the host can look for.
NAME = "import ctypes\nassert ctypes.CDLL(None, use_errno=True).prctl(15, {token!r}.encode(), 0, 0, 0) == 0\n"

ENDLESS = {
    "endless loop": """
tools['seen'].run()
while True: pass
""",
    "loop that swallows exceptions": """
tools['seen'].run()
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "sleep": """
import time
tools['seen'].run()
time.sleep(3600)
""",
    "wait in C with every signal blocked": """
import signal, threading
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
tools['seen'].run()
threading.Event().wait()
""",
    "child that ignores SIGTERM": """
import os, signal
ready, told = os.pipe()
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(told, b'x')
    while True: signal.pause()
os.read(ready, 1)
tools['seen'].run()
os.wait()
""",
    "double-forked daemon": """
import os, signal
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in (0, 1, 2): os.close(descriptor)
        os.write(told, b'x')
        while True: signal.pause()
    os._exit(0)
os.wait()
os.read(ready, 1)
tools['seen'].run()
while True: pass
""",
}


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_code_that_does_not_end_is_ended(local: Local, token: str, code: str) -> None:
    running: list[processes.Process] = []

    def seen() -> None:
        running.extend(processes.named(token))

    client = local({"limits": {"code_timeout": 1, "cpus": 2}}, seen=seen)
    result = client.execute("print('partial', flush=True)\n" + NAME.format(token=token) + code)
    left = processes.left_after(running, 0.1)
    assert running, "the test saw none of the execution's processes, so it proves nothing"
    assert not left
    assert not processes.named(token)
    assert (result.outcome, result.exit_code, result.stdout) == ("timeout", 124, "partial\n"), str(result)
    assert result.error and result.error.error_type == "Timeout"
    assert result.duration_ms < 1_000 + 2_000
    assert client.execute("2 + 2").result == 4


def test_what_outlives_the_code_is_ended_with_it(local: Local, token: str) -> None:
    running: list[processes.Process] = []
    client = local(None, seen=lambda: running.extend(processes.named(token)))
    code = """
import os, signal
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(told, b'x')
    while True: signal.pause()
os.read(ready, 1)
tools['seen'].run()
7
"""
    result = client.execute(NAME.format(token=token) + code)
    assert len(running) == 2
    assert not processes.left_after(running, 0.1)
    assert result.result == 7, str(result)


def test_a_command_that_does_not_end_is_ended(local: Local) -> None:
    client = local({"execution": {"allowed_commands": COMMANDS}, "limits": {"code_timeout": 1}})
    result = client.execute(
        "import subprocess\nsubprocess.run(['bash', '-c', 'trap \"\" TERM; sleep 3600; sleep 3600'])"
    )
    assert result.outcome == "timeout", str(result)


def test_the_callers_timeout_holds_and_the_executors_is_the_ceiling(local: Local) -> None:
    client = local({"limits": {"code_timeout": 2}})
    assert client.execute("while True: pass", execution_timeout=0.3).outcome == "timeout"
    clamped = client.execute("1", execution_timeout=60)
    assert clamped.success and any("code_timeout" in warning for warning in clamped.warnings)


def test_memory_over_the_limit_harms_nobody_else(local: Local) -> None:
    together = threading.Barrier(2)
    over = threading.Event()

    def wait_for_the_end() -> bool:
        together.wait(30)
        return over.wait(60)

    policy = {"limits": {"memory_limit": "128Mi"}, "max_concurrent_executions": 2}
    client = local(policy, meet=lambda: together.wait(30), wait=wait_for_the_end)
    pid = executor_of(local())  # an unrelated executor: must not notice either
    bystander: list[Any] = []
    thread = threading.Thread(
        target=lambda: bystander.append(client.execute("x = bytes(1 << 20)\ntools['wait'].run()\nlen(x)"))
    )
    thread.start()
    code = "print('partial', flush=True)\ntools['meet'].run()\nkept = []\nwhile True: kept.append(b'x' * (4 << 20))"
    result = client.execute(code)
    over.set()
    thread.join()
    assert (result.success, result.outcome) == (False, "memory_limit"), str(result)
    assert result.error and result.error.error_type == "MemoryLimitExceeded"
    assert result.exit_code == 137 and result.stdout == "partial\n"
    assert bystander[0].result == 1 << 20, str(bystander[0])
    assert client.execute("2 + 2").result == 4
    assert processes.state(pid) not in ("Z", "gone")


def test_300_mib_of_output_are_capped_and_cost_the_daemon_nothing(local: Local) -> None:
    client = local({"limits": {"output_bytes": "10Mi", "code_timeout": 60}})
    pid = executor_of(client)
    client.execute("import os\nfor _ in range(20): os.write(1, b'x' * (1 << 20))")  # warm: buffers have their size
    before = processes.memory(pid, "VmHWM")
    result = client.execute("import os\nblock = b'x' * (1 << 20)\nfor _ in range(300): os.write(1, block)\n'done'")
    grown = processes.memory(pid, "VmHWM") - before
    assert result.stdout_truncated
    assert 10 << 20 <= len(result.stdout) <= (10 << 20) + 4096
    assert "truncated" in result.stdout[-4096:].lower()
    assert result.outcome in ("ok", "output_limit")
    assert grown < 16 << 20, f"the daemon grew by {grown / 2**20:.1f} MiB"


def test_a_result_that_is_too_large(local: Local) -> None:
    result = local({"limits": {"result_bytes": "1Mi"}}).execute("'x' * (8 << 20)")
    assert result.outcome == "result_too_large", str(result)
    assert result.error and result.error.error_type == "ResultTooLarge"


def test_a_full_sandbox_is_an_ordinary_error(local: Local) -> None:
    client = local({"filesystem": {"sandbox": {"max_size": "8Mi"}}})
    code = """
try:
    with open('/sandbox/big', 'wb') as file:
        for _ in range(64): file.write(b'x' * (1 << 20))
except OSError as error:
    result = error.errno
"""
    result = client.execute(code)
    assert result.result in (27, 28), str(result)  # EFBIG, ENOSPC


def test_a_fork_bomb_meets_the_limit(local: Local) -> None:
    code = """
import os, signal
count = 0
try:
    for _ in range(150):
        if os.fork() == 0:
            while True: signal.pause()
        count += 1
except OSError as error:
    result = (count, error.errno)
"""
    result = local({"limits": {"processes": 32}}).execute(code)
    count, errno = result.result
    assert 0 < count < 40 and errno == 11, str(result)


def test_open_files_meet_the_limit(local: Local) -> None:
    code = """
files = []
try:
    while True: files.append(open('/dev/null'))
except OSError as error:
    result = (len(files), error.errno)
"""
    count, errno = local({"limits": {"open_files": 64}}).execute(code).result
    assert count < 64 and errno == 24


def test_nothing_piles_up_in_the_daemon(local: Local) -> None:
    # A pool that does not grow: each parked sandbox holds a few descriptors.
    client = local({"pool": {"max": 1}})
    pid = executor_of(client)
    for _ in range(5):
        client.execute("1")
    before = processes.descriptors(pid)
    for code in ("1", "1 / 0", "import os; os._exit(3)", "def", "import os; os.kill(os.getpid(), 9)") * 6:
        client.execute(code)
    # One parked sandbox more or less is no leak.
    assert processes.descriptors(pid) <= before + 16


def test_a_limit_beyond_any_clock_is_clamped_like_any_other(codemode: Codemode) -> None:
    for asked in (1000, 1e300):
        result = codemode.execute("1", execution_timeout=asked)
        assert result.result == 1
        assert any("code_timeout" in warning for warning in result.warnings), result.warnings


def test_the_executor_itself_may_open_as_many_files_as_its_hard_limit_says(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        with (
            Daemon(tmp_path) as daemon,
            Codemode.from_client_config(ClientConfig(executor_url=daemon.url, executor_api_key=KEY)) as codemode,
        ):
            limits = Path(f"/proc/{daemon.pid}/limits").read_text()
            inside = codemode.execute("import resource\nlist(resource.getrlimit(resource.RLIMIT_NOFILE))").result
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3:5] == [str(hard)] * 2
    # The code's own is the policy's, as ever.
    assert inside == [256, 256]
