"""What a result lists of programs that were refused, at any depth below the code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from codemode import Codemode, ExecutionResult
from e2e.conftest import Local

COMMANDS = ["bash", "cat", "env", "find", "grep", "head", "python3", "true", "xargs"]
HELPER = """
import os, subprocess
def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, **more)
    return done.returncode, done.stderr
"""


@pytest.fixture(scope="module")
def listed() -> Iterator[Codemode]:
    with Codemode.local({"execution": {"allowed_commands": COMMANDS}}) as client:
        yield client


def seen(result: ExecutionResult) -> list[tuple[str, str, str]]:
    assert result.success, str(result)
    return [(entry.kind, entry.detail, entry.source) for entry in result.violations]


def by_supervisor(*names: str) -> list[tuple[str, str, str]]:
    return [("unauthorized_command", name, "supervisor") for name in names]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["bash", "-c", "rm -rf /x"], "rm"),
        (["bash", "-c", "/bin/rm -rf /x"], "rm"),
        (["bash", "-c", "exec -a cat rm -rf /x"], "rm"),
        (["bash", "-c", "bash -c 'env bash -c \"rm /x\"'"], "rm"),
        (["find", "/sandbox", "-exec", "rm", "{}", ";"], "rm"),
        (["find", "/sandbox", "-exec", "rm", "{}", "+"], "rm"),
        (["xargs", "rm"], "rm"),
        (["env", "rm", "/x"], "rm"),
        (["env", "PATH=/sandbox:/usr/local/bin:/usr/bin", "rm", "/x"], "rm"),
        (["python3", "-c", "import os; os.posix_spawn('/usr/bin/rm', ['rm', '/x'], {})"], "rm"),
        (["env", "no-such-program"], "no-such-program"),
    ],
)
def test_a_refusal_below_a_listed_command_is_the_supervisors(listed: Codemode, words: list[str], name: str) -> None:
    result = listed.execute(f"{HELPER}run(*{words!r}, input='/sandbox/x\\n')")
    assert seen(result) == by_supervisor(name)
    status, said = result.result
    assert status != 0 or words[0] == "find"
    assert "Permission denied" in said or name == "no-such-program", said


def test_a_script_of_the_codes_own_is_refused_by_its_name(listed: Codemode) -> None:
    code = f"""{HELPER}
for name, first in (('script.sh', '#!/usr/bin/bash'), ('other', '#!/usr/bin/perl')):
    with open('/sandbox/' + name, 'w') as file: file.write(first + '\\n')
    os.chmod('/sandbox/' + name, 0o755)
run('bash', '-c', './script.sh; /sandbox/other; cd /tmp; ../sandbox/script.sh')
"""
    result = listed.execute(code)
    assert seen(result) == by_supervisor("script.sh", "other")
    assert result.result[1].count("Permission denied") == 3, result.result


def test_listed_commands_are_no_violation(listed: Codemode) -> None:
    code = f"""{HELPER}
run('bash', '-c', 'cat /etc/passwd | grep -c x | head -1; env true; /bin/true; cd /usr; bin/true; python3 -V')
run('find', '/sandbox', '-exec', 'true', ';')
run('xargs', 'true', input='a')
run('env', 'PATH=/sandbox:/nowhere:/usr/bin', 'true')
run('python3', '-c', 'import platform, subprocess; subprocess.run("true"); platform.uname()')
"""
    assert seen(listed.execute(code)) == []


def test_what_the_guest_says_too_is_listed_once(listed: Codemode) -> None:
    code = f"""{HELPER}
for name in ('rm', 'mv'):
    try: run(name, '/x')
    except PermissionError as error: print(error)
run('bash', '-c', 'rm /x')
"""
    result = listed.execute(code)
    assert result.stdout == "unauthorized_command: rm\nunauthorized_command: mv\n"
    assert seen(result) == [("unauthorized_command", "mv", "guest"), *by_supervisor("rm")]


def test_no_name_forges_a_line(listed: Codemode) -> None:
    code = f"{HELPER}run('env', 'a\\nb\\x1b[2J')"
    assert seen(listed.execute(code)) == by_supervisor("a\\u{a}b\\u{1b}[2J")


STORM = """
import os
for number in range(1000):
    try: os.execv(f'/usr/bin/{NAME}', ['x'])
    except OSError: pass
print('done')
"""


def test_a_thousand_refusals_are_bounded(listed: Codemode) -> None:
    same = listed.execute(f"{HELPER}run('python3', '-c', {STORM.replace('{NAME}', 'rm')!r})")
    assert seen(same) == by_supervisor("rm")
    different = listed.execute(f"{HELPER}run('python3', '-c', {STORM.replace('{NAME}', 'x{number}')!r})")
    assert seen(different) == by_supervisor(*(f"x{number}" for number in range(100)))
    assert "900 further violations are not listed" in different.warnings


def test_a_storm_of_starts_stops_neither_output_nor_deadlines(listed: Codemode) -> None:
    """The storm would go on for ever; what is printed meanwhile arrives, and the deadline ends it."""
    storm = "import os\nwhile True:\n    try: os.execv('/usr/bin/rm', ['rm'])\n    except OSError: pass"
    code = f"""
import subprocess, time
storms = [subprocess.Popen(['python3', '-c', {storm!r}]) for _ in range(4)]
for number in range(20): print(number, flush=True)
while True: time.sleep(1)
"""
    result = listed.execute(code, execution_timeout=3)
    assert result.outcome == "timeout" and "limits.code_timeout" in str(result), str(result)
    assert result.stdout.split() == [str(number) for number in range(20)]
    assert [entry.source for entry in result.violations if entry.detail == "rm"] == ["supervisor"]
    assert listed.execute("2 + 2").result == 4


def test_without_the_guests_hook_the_supervisor_still_sees_it(local: Local) -> None:
    """A listed Python has no hook at all: what it tries is the kernel's and the supervisor's business."""
    client = local({"execution": {"allowed_commands": ["python3"]}})
    tries = "import subprocess\ntry: subprocess.run(['curl', 'x'])\nexcept PermissionError as error: print(error.errno)"
    code = f"import subprocess\nsubprocess.run(['python3', '-c', {tries!r}], capture_output=True, text=True).stdout"
    result = client.execute(code)
    assert result.result == "13\n", str(result)
    assert seen(result) == by_supervisor("curl")


LISTENED_TO = """
import ctypes, json, os, struct
from codemode import Codemode

SECCOMP, SWAPON = {"x86_64": (317, 167), "aarch64": (277, 224)}[os.uname().machine]
ALLOW, NOTIFY, NO_NEW_PRIVS, MODE_FILTER, NEW_LISTENER = 0x7FFF0000, 0x7FC00000, 38, 1, 8
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, SWAPON), (0x06, 0, 0, NOTIFY), (0x06, 0, 0, ALLOW)]
instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
program = struct.pack("H6xQ", len(lines), ctypes.addressof(instructions))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.syscall(SECCOMP, MODE_FILTER, NEW_LISTENER, program) >= 0, os.strerror(ctypes.get_errno())
with Codemode.local({"execution": {"allowed_commands": ["bash"]}}) as client:
    code = "import subprocess\\nsubprocess.run(['bash', '-c', 'rm /x']).returncode"
    result = client.execute(code)
print(json.dumps([result.result, len(result.violations), list(result.isolation.layers)]))
"""


def test_inside_a_container_whose_manager_listens_refusals_are_only_not_listed() -> None:
    """The kernel has room for one listener. What is not held is not claimed, and the refusal stands."""
    done = subprocess.run([sys.executable, "-c", LISTENED_TO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    status, violations, layers = json.loads(done.stdout)
    assert (status, violations) == (126, 0)
    assert "seccomp" in layers and "starts of programs observed" not in layers
