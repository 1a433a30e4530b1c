"""The list of commands holds in every spelling, for the code and for all it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from codemode import Codemode, ExecutionResult
from e2e.conftest import COMMANDS, Local

LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
LOADER = next(filter(os.path.exists, LOADERS))
# Empties the guest's table of courteous refusals: what is left is the kernel.
WITHOUT_COURTESY = """
import gc
for table in gc.get_objects():
    if type(table) is dict and 'os.system' in table and 'subprocess.Popen' in table: table.clear()
"""
# Aimed at a file of the sandbox's own: were a wall to fall, nothing else would be lost.
KEPT = """
import asyncio, ctypes, os, pty, shutil, subprocess, sys
open('/sandbox/kept', 'w').close()
RM = ['rm', '-f', '/sandbox/kept']
ENDED = lambda status: sys.exit('refused') if status else None
"""


@pytest.fixture(scope="module")
def shelled() -> Iterator[Codemode]:
    with Codemode.local({"execution": {"allowed_commands": [*COMMANDS, "env", "xargs"]}}) as client:
        yield client


def script(client: Codemode, text: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a script that bash runs."""
    code = f"import subprocess\nd = subprocess.run(['bash', '-c', {text!r}], capture_output=True, text=True)\n"
    result = client.execute(code + "(d.returncode, d.stdout, d.stderr)")
    assert result.success, str(result)
    returned: tuple[int, str, str] = result.result
    return returned


BY_BASH = [
    "rm /sandbox/kept",
    "/bin/rm /sandbox/kept",
    "/usr/bin/rm /sandbox/kept",
    "/usr/bin/../bin/rm /sandbox/kept",
    "//bin//rm /sandbox/kept",
    "/proc/self/root/usr/bin/rm /sandbox/kept",
    "cd /usr/bin && ./rm /sandbox/kept",
    "command rm /sandbox/kept",
    "exec rm /sandbox/kept",
    "exec -a ls rm /sandbox/kept",
    "eval 'rm /sandbox/kept'",
    "hash -p /bin/rm ls; ls /sandbox/kept",
    "PATH=/usr/bin; rm /sandbox/kept",
    "rm /sandbox/kept & wait $!",
    "(rm /sandbox/kept)",
    "echo /sandbox/kept | while read f; do rm $f; done",
    "bash -c 'bash -c \"rm /sandbox/kept\"'",
    "env rm /sandbox/kept",
    "env -i /bin/rm /sandbox/kept",
    "find /sandbox -name kept -exec rm {} \\;",
    "find /sandbox -name kept -exec rm {} +",
    "find /sandbox -name kept -execdir rm {} +",
    "echo /sandbox/kept | xargs rm",
    "echo /sandbox/kept | xargs env bash -c 'rm $0'",
    "echo '#!/bin/rm' > /sandbox/own; bash -c 'exec /sandbox/own /sandbox/kept'",
    "echo 'rm /sandbox/kept' > /sandbox/own; bash /sandbox/own",
    "echo 'rm /sandbox/kept' > /sandbox/own; . /sandbox/own",
    "cp /bin/rm /sandbox/own",
    "cp -s /bin/rm /sandbox/ls; PATH=/sandbox ls /sandbox/kept; [ -e /sandbox/kept ]; /sandbox/ls /sandbox/kept",
    f"{LOADER} /bin/rm /sandbox/kept",
]


@pytest.mark.parametrize("text", BY_BASH)
def test_from_a_shell_it_is_permission_denied(shelled: Codemode, text: str) -> None:
    code, out, errors = script(shelled, f"echo > /sandbox/kept\n( {text}\n) 1>&2\ntail -n 1 /sandbox/kept && echo kept")
    assert (code, out.split()) == (0, ["kept"]), errors
    assert "Permission denied" in errors, errors


@pytest.mark.parametrize(
    "name", ["rm", "/bin/rm", "dd", "curl", "perl", "python3", "ssh", "sudo", "mount", "gcc", "id"]
)
def test_a_shell_says_126(shelled: Codemode, name: str) -> None:
    code, _, errors = script(shelled, name)
    assert code == 126 and "Permission denied" in errors, errors


def test_what_no_system_has_is_not_found(shelled: Codemode) -> None:
    code, _, errors = script(shelled, "codemode-has-no-such-command")
    assert code == 127 and "command not found" in errors, errors


def test_refusals_tell_nothing_of_the_host(shelled: Codemode) -> None:
    """The shut files carry the same names everywhere, whatever the host has, and hold nothing."""
    code = (
        "import os\n[(s.st_size, s.st_mode & 0o777, s.st_ino) for s in map(os.stat, ['/usr/bin/rm', '/usr/bin/apk'])]"
    )
    rm, apk = shelled.execute(code).result
    assert tuple(rm) == tuple(apk) and tuple(rm)[:2] == (0, 0)


BY_PYTHON = {
    "by name": "subprocess.run(RM, check=True)",
    "by path": "subprocess.run(['/bin/rm', *RM[1:]], check=True)",
    "bytes": "subprocess.run([b'/usr/bin/rm', b'-f', b'/sandbox/kept'], check=True)",
    "relative": "subprocess.run(['./rm', *RM[1:]], cwd='/usr/bin', check=True)",
    "through /proc": "subprocess.run(['/proc/self/root/bin/rm', *RM[1:]], check=True)",
    "another argv[0]": "subprocess.run(['ls', *RM[1:]], executable='/bin/rm', check=True)",
    "a shell that is not listed": "subprocess.run('rm -f /sandbox/kept', shell=True, check=True)",
    "os.system": "ENDED(os.system('rm -f /sandbox/kept'))",
    "os.popen": "ENDED(os.popen('rm -f /sandbox/kept').close())",
    "os.execv": "os.execv('/bin/rm', RM)",
    "os.execvp": "os.execvp('rm', RM)",
    "os.execve": "os.execve('/usr/bin/rm', RM, {})",
    "os.execl": "os.execl('/usr/bin/rm', *RM)",
    "os.posix_spawn": "os.posix_spawn('/bin/rm', RM, {})",
    "os.posix_spawnp": "os.posix_spawnp('rm', RM, {})",
    "os.spawnv": "ENDED(os.spawnv(os.P_WAIT, '/bin/rm', RM))",
    "pty.spawn": "ENDED(pty.spawn(RM))",
    "asyncio": "ENDED(await (await asyncio.create_subprocess_exec(*RM)).wait())",
    "a descriptor": "os.execve(os.open('/usr/bin/rm', os.O_RDONLY), RM, {})",
    "O_PATH": "os.execve(os.open('/usr/bin/rm', os.O_PATH), RM, {})",
    "libc": "ENDED(ctypes.CDLL(None).execv(b'/bin/rm', (ctypes.c_char_p * 4)(*map(str.encode, RM), None)))",
    "a symbolic link": "os.symlink('/bin/rm', '/sandbox/ls'); subprocess.run(['/sandbox/ls', *RM[1:]], check=True)",
    "a hard link": "os.link('/bin/rm', '/sandbox/ls')",
    "a copy": "shutil.copy('/bin/rm', '/sandbox/ls')",
    "PATH": "os.symlink('/bin/rm', '/sandbox/ls'); subprocess.run(['ls'], env={'PATH': '/sandbox'}, check=True)",
    "another name for it": "os.rename('/bin/rm', '/bin/ls')",
    "over a listed one": "os.symlink('/bin/rm', '/usr/bin/ls')",
    "the loader": f"subprocess.run([{LOADER!r}, '/bin/rm', *RM[1:]], check=True)",
    "memory": "os.execve(os.memfd_create('rm'), RM, {})",
    "opening it up": "os.chmod('/usr/bin/rm', 0o755)",
}


@pytest.mark.parametrize("courtesy", [True, False], ids=["", "kernel alone"])
@pytest.mark.parametrize("call", BY_PYTHON.values(), ids=BY_PYTHON)
def test_from_python_it_is_refused(shelled: Codemode, call: str, courtesy: bool) -> None:
    setup = KEPT + ("" if courtesy else WITHOUT_COURTESY)
    assert not shelled.execute(setup + call).success
    attempt = (
        f"{setup}try:\n    if os.fork() == 0:\n        {call}\n    os.wait()\nexcept (Exception, SystemExit): pass\n"
    )
    result = shelled.execute(attempt + "os.path.exists('/sandbox/kept')")
    assert result.result is True, str(result)


# A file of the code's own, made from a listed program's bytes, cannot be started by any road.
OWN_PROGRAM = """
import os, subprocess
subprocess.run(['cp', '/usr/bin/ls', FOLDER + '/own'], check=True)
os.chmod(FOLDER + '/own', 0o755)
open(FOLDER + '/script', 'w').write('#!/usr/bin/bash\\necho ran\\n')
os.chmod(FOLDER + '/script', 0o755)
def run(*words):
    try: return subprocess.run(words, capture_output=True).returncode
    except OSError as error: return error.errno
[run(FOLDER + '/own'), run(FOLDER + '/script'), run('env', FOLDER + '/own'), run(LOADER, FOLDER + '/own'),
 run('bash', '-c', FOLDER + '/own'), run('find', FOLDER, '-name', 'own', '-exec', '{}', '+')]
"""


@pytest.mark.parametrize("folder", ["/sandbox", "/tmp", "/outputs", "/dev/shm"])
def test_programs_of_the_codes_own_do_not_start(shelled: Codemode, folder: str) -> None:
    result = shelled.execute(f"FOLDER, LOADER = {folder!r}, {LOADER!r}\n{OWN_PROGRAM}")
    assert result.success and len(result.result) == 6 and all(result.result), str(result)


LISTED = [
    "wc -c < /etc/hostname",
    "/usr/bin/wc -c < /etc/hostname",
    "/usr/bin/../bin/wc -c < /etc/hostname",
    "cd /usr/bin && ./wc -c < /etc/hostname",
    "env wc -c < /etc/hostname",
    "env -i /usr/bin/wc -c < /etc/hostname",
    "echo -c /etc/hostname | xargs wc | head -c 1",
    "find /etc -name hostname -exec wc -c {} + | head -c 1",
    "exec -a another wc -c < /etc/hostname",
    "cp -s /usr/bin/wc /sandbox/w && /sandbox/w -c < /etc/hostname",
    "bash -c 'wc -c' < /etc/hostname",
]


@pytest.mark.parametrize("text", LISTED)
def test_a_listed_command_runs_in_every_spelling(shelled: Codemode, text: str) -> None:
    code, out, errors = script(shelled, text)
    assert (code, out.strip()) == (0, "8"), errors


@pytest.mark.skipif(not os.path.islink("/bin"), reason="here /bin is no other name for /usr/bin")
def test_bin_is_another_name(shelled: Codemode) -> None:
    assert script(shelled, "/bin/wc -c < /etc/hostname")[1].strip() == "8"
    assert shelled.execute("import subprocess\nsubprocess.run(['/bin/ls', '/tmp'], check=True).returncode").result == 0


def refusal(result: ExecutionResult) -> tuple[str, str]:
    assert result.error is not None, str(result)
    return result.error.error_type, result.error.message


@pytest.mark.parametrize("name", ["ls", "/bin/ls", "sh", "bash", "true"])
def test_an_empty_list_means_none(local: Local, name: str) -> None:
    client = local({"execution": {"allow_direct_execution": True, "allowed_commands": []}})
    result = client.execute(f"import subprocess\nsubprocess.run([{name!r}])")
    assert refusal(result) == ("PermissionError", f"unauthorized_command: {os.path.basename(name)}")


@pytest.mark.parametrize("call", ["subprocess.run(['rm', '-rf', '/'])", "subprocess.run('rm -rf /', shell=True)"])
def test_the_refusal_reads_as_the_documents_say(shelled: Codemode, call: str) -> None:
    result = shelled.execute(f"import subprocess\n{call}")
    name = "sh" if "shell" in call else "rm"
    assert refusal(result) == ("PermissionError", f"unauthorized_command: {name}")
    assert ("unauthorized_command", name) in [(entry.kind, entry.detail) for entry in result.violations]


NO_EXECUTION = [
    "import subprocess",
    "import subprocess as s",
    "from subprocess import run",
    "import os, subprocess",
]


@pytest.mark.parametrize("extra", [{}, {"allow_direct_execution": False, "allowed_commands": ["ls"]}])
def test_without_direct_execution_there_is_no_subprocess(local: Local, extra: dict[str, object]) -> None:
    client = local({"execution": {"allow_direct_execution": False, **extra}})
    for statement in NO_EXECUTION:
        assert refusal(client.execute(statement)) == ("ModuleNotFoundError", "No module named 'subprocess'")


@pytest.mark.parametrize("listed", [[], ["ls"]], ids=["", "listed all the same"])
def test_without_direct_execution_nothing_starts_by_any_road(local: Local, listed: list[str]) -> None:
    client = local({"execution": {"allow_direct_execution": False, "allowed_commands": listed}})
    code = f"""{WITHOUT_COURTESY}
import importlib, os, sys
tried = []
subprocess = importlib.import_module('subprocess')
for start in (lambda: os.execv('/usr/bin/ls', ['ls']), lambda: os.posix_spawn('/usr/bin/ls', ['ls'], {{}}),
              lambda: subprocess.run(['ls']), lambda: os.execv(sys.executable, ['python']),
              lambda: os.execv({LOADER!r}, ['ld.so', '/usr/bin/ls'])):
    try: tried.append(start())
    except OSError as error: tried.append(type(error).__name__)
tried.append(os.waitstatus_to_exitcode(os.system('ls')))
tried
"""
    result = client.execute(code)
    assert result.success, str(result)
    assert result.result[-1] != 0 and set(result.result[:-1]) <= {"PermissionError", "FileNotFoundError"}, result.result
