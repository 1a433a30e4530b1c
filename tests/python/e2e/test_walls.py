"""What executed code cannot reach: the host's files, commands off the list, any network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from codemode import Codemode
from e2e.conftest import COMMANDS, Local


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codemode]:
    folder = tmp_path_factory.mktemp("walled")
    workspace, outputs = folder / "workspace", folder / "outputs"
    workspace.mkdir()
    outputs.mkdir()
    (workspace / "data.txt").write_text("one\ntwo\n")
    (workspace / "escape").symlink_to("/etc/passwd")
    policy = {
        "execution": {"allowed_commands": COMMANDS},
        "filesystem": {"workspace": {"mount": str(workspace)}, "outputs": {"mount": str(outputs)}},
    }
    with Codemode.local(policy) as client:
        yield client


def attempt(client: Codemode, expression: str) -> str:
    """`yes` if the expression came through, else the exception as the code saw it."""
    result = client.execute(f"try:\n    {expression}\n    result = 'yes'\nexcept Exception as e:\n    result = repr(e)")
    assert result.success, str(result)
    return str(result.result)


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/root", "/home", __file__, "/proc/1/environ", "/proc/1/root/etc/shadow", "/sys/kernel",
             "/var/log", "/dev/mem", "/run", "/boot", "/workspace/../etc/shadow"],
)  # fmt: skip
def test_the_hosts_files_are_not_there(walled: Codemode, path: str) -> None:
    code = f"""
import os
try:
    result = os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}, 'rb').read(10)
except OSError as error:
    result = None
"""
    result = walled.execute(code)
    assert result.success and not result.result, str(result)


def test_the_documented_refusal_of_a_path(walled: Codemode) -> None:
    shown = attempt(walled, "open('/etc/shadow')")
    assert "unauthorized_path: /etc/shadow" in shown or "No such file" in shown
    refused = walled.execute("open('/etc/passwd', 'w')")
    assert refused.error and "unauthorized_path: /etc/passwd" in str(refused)
    assert refused.error.error_type == "PermissionError"


def test_etc_passwd_is_a_stub(walled: Codemode) -> None:
    result = walled.execute("open('/etc/passwd').read()")
    assert not result.success or len(result.result.splitlines()) <= 2


def test_a_link_out_of_the_workspace_leads_nowhere_new(walled: Codemode) -> None:
    result = walled.execute("open('/workspace/escape').read()")
    host = Path("/etc/passwd").read_text()
    assert not result.success or result.result != host


def test_the_workspace_is_read_only(walled: Codemode) -> None:
    assert walled.execute("open('/workspace/data.txt').read()").result == "one\ntwo\n"
    for act in ("open('/workspace/new', 'w')", "open('/workspace/data.txt', 'a')",
                "__import__('os').remove('/workspace/data.txt')", "__import__('os').mkdir('/workspace/d')",
                "__import__('os').chmod('/workspace/data.txt', 0o777)"):  # fmt: skip
        assert attempt(walled, act) != "yes", act


def test_what_may_be_written_may(walled: Codemode) -> None:
    for folder in ("/sandbox", "/outputs", "/tmp"):
        assert attempt(walled, f"open('{folder}/file', 'w').write('x')") == "yes"
    for folder in ("/", "/usr", "/etc", "/dev", "/proc", "/bin", "/lib"):
        assert attempt(walled, f"open('{folder}/file', 'w').write('x')") != "yes", folder


def test_writable_places_cannot_hold_programs(walled: Codemode) -> None:
    code = """
import os, shutil, subprocess
tried = {}
for folder in ('/sandbox', '/tmp', '/outputs'):
    program = folder + '/program'
    with open(program, 'w') as file: file.write('#!/usr/bin/bash\\necho ran\\n')
    os.chmod(program, 0o755)
    try: tried[folder] = subprocess.run([program], capture_output=True, text=True).stdout
    except OSError as error: tried[folder] = error.errno
tried
"""
    result = walled.execute(code)
    assert result.success, str(result)
    assert set(result.result.values()) == {13}, result.result


def test_listed_commands_run(walled: Codemode) -> None:
    code = """
import subprocess
def run(*words): return subprocess.run(words, capture_output=True, text=True, check=True).stdout
[run('wc', '-l', '/workspace/data.txt').split()[0], run('bash', '-c', 'cat /workspace/data.txt | head -1'),
 run('grep', '-c', 'o', '/workspace/data.txt')]
"""
    result = walled.execute(code)
    assert result.result == ["2", "one\n", "2\n"], str(result)


# Aimed at a file of the sandbox's own: were a wall to fall, nothing else would be lost.
KEPT = "import os, subprocess\nopen('/sandbox/kept', 'w').close()\n"
REFUSED = [
    "subprocess.run(['rm', '-rf', '/sandbox/kept'])",
    "subprocess.run(['/bin/rm', '-rf', '/sandbox/kept'])",
    "subprocess.run(['/usr/bin/../bin/rm', '-rf', '/sandbox/kept'])",
    "subprocess.check_call('rm -rf /sandbox/kept', shell=True)",
    "os.execv('/bin/rm', ['rm', '-rf', '/sandbox/kept'])",
    "os.posix_spawn('/bin/rm', ['rm', '-rf', '/sandbox/kept'], {})",
]
BY_BASH = [
    "rm /sandbox/kept",
    "/bin/rm /sandbox/kept",
    "exec rm /sandbox/kept",
    "find /sandbox -name kept -exec rm {} +",
    "cp /bin/rm /sandbox/mine; /sandbox/mine /sandbox/kept",
    "/lib64/ld-linux-x86-64.so.2 /bin/rm /sandbox/kept",
]


@pytest.mark.parametrize("call", REFUSED)
def test_a_command_off_the_list_is_refused(walled: Codemode, call: str) -> None:
    result = walled.execute(f"{KEPT}{call}")
    assert not result.success and result.outcome == "error", str(result)
    code = f"{KEPT}try:\n    {call}\nexcept Exception: pass\nos.path.exists('/sandbox/kept')"
    assert walled.execute(code).result is True


def test_the_documented_refusal_of_a_command(walled: Codemode) -> None:
    result = walled.execute(KEPT + REFUSED[0])
    assert result.error and result.error.error_type == "PermissionError"
    assert "unauthorized_command: rm" in str(result)
    assert any(entry.kind == "unauthorized_command" and "rm" in entry.detail for entry in result.violations)


@pytest.mark.parametrize("script", BY_BASH)
def test_bash_cannot_run_what_is_not_listed(walled: Codemode, script: str) -> None:
    code = f"""{KEPT}
done = subprocess.run(['bash', '-c', {script!r}], capture_output=True, text=True)
(os.path.exists('/sandbox/kept'), done.returncode, done.stderr)
"""
    result = walled.execute(code)
    assert result.success, str(result)
    kept, code_of_bash, _ = result.result
    assert kept and (code_of_bash != 0 or "find" in script)


def test_no_direct_execution_means_no_subprocess(codemode: Codemode) -> None:
    result = codemode.execute("import subprocess")
    assert result.error and result.error.error_type == "ModuleNotFoundError"
    assert result.error.message == "No module named 'subprocess'"
    # That text is courtesy. Without it, the kernel says the same.
    code = "import asyncio.subprocess, sys\nsys.modules['subprocess'].run(['/usr/bin/cat', '/dev/null'])"
    assert not codemode.execute(code).success
    assert not codemode.execute("import os\nos.execv('/usr/bin/cat', ['cat', '/dev/null'])").success


def test_libraries_that_need_subprocess_still_import(codemode: Codemode) -> None:
    assert codemode.execute("import asyncio, multiprocessing, concurrent.futures\n1").result == 1


def test_outputs_arrive_and_links_do_not(local: Local, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    client = local({"filesystem": {"outputs": {"mount": str(outputs)}}})
    code = """
import os
os.makedirs('/outputs/sub/deep')
open('/outputs/report.txt', 'w').write('report')
open('/outputs/sub/deep/data.csv', 'w').write('a,b')
os.symlink('/etc/shadow', '/outputs/link')
os.mkfifo('/outputs/fifo')
raise RuntimeError('after writing')
"""
    result = client.execute(code)
    assert not result.success
    assert (outputs / "report.txt").read_text() == "report"
    assert (outputs / "sub/deep/data.csv").read_text() == "a,b"
    assert sorted(path.name for path in outputs.rglob("*") if not path.is_dir()) == ["data.csv", "report.txt"]
    assert {artifact.path for artifact in result.artifacts} == {"report.txt", "sub/deep/data.csv"}
    assert client.execute("open('/outputs/report.txt', 'w').write('second')").success
    assert (outputs / "report.txt").read_text() == "second"


NETWORK = """
import socket
tried = {{}}
for family, address in ((socket.AF_INET, ('127.0.0.1', {port})), (socket.AF_INET6, ('::1', {port})),
                        (socket.AF_UNIX, '\\0{abstract}'), (socket.AF_UNIX, '{pathname}')):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(2)
            s.connect(address)
            tried[str(address)] = 'connected'
    except OSError as error:
        tried[str(address)] = error.errno
tried
"""


def test_no_network_not_even_the_hosts_loopback(codemode: Codemode, tmp_path: Path, token: str) -> None:
    """Every target is a listener of this test on this machine."""
    os.chmod(tmp_path, 0o755)
    pathname = str(tmp_path / "s")
    listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
    listeners[1].bind(f"\0{token}")
    listeners[2].bind(pathname)
    os.chmod(pathname, 0o777)
    try:
        for listener in listeners[1:]:
            listener.listen()
        port = listeners[0].getsockname()[1]
        result = codemode.execute(NETWORK.format(port=port, abstract=token, pathname=pathname))
        assert result.success, str(result)
        assert "connected" not in result.result.values(), result.result
        for listener in listeners:
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
    finally:
        for listener in listeners:
            listener.close()


def test_privileges_are_gone(codemode: Codemode) -> None:
    code = """
import os
status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
[os.getuid() != 0, os.getpid() != 1, status['NoNewPrivs'], status['Seccomp'],
 {status[name].strip('0') for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')}]
"""
    result = codemode.execute(code)
    assert result.success, str(result)
    assert result.result == [True, True, "1", "2", {""}]


def test_the_environment_is_bare(codemode: Codemode) -> None:
    result = codemode.execute("import os\ndict(os.environ)")
    # For libraries: plots without a display, a home for caches, one thread where one core is granted.
    known = {"PATH", "HOME", "LANG", "TMPDIR", "USER", "LOGNAME", "MPLBACKEND", "MPLCONFIGDIR", "OPENBLAS_NUM_THREADS"}
    assert set(result.result) <= known, result.result
    assert result.result["HOME"] == "/sandbox" and result.result["TMPDIR"] == "/tmp"
    assert codemode.execute("import os\nos.getcwd()").result == "/sandbox"


def test_randomness_differs_between_executions(codemode: Codemode) -> None:
    code = "import random, uuid, os\n[random.random(), str(uuid.uuid4()), os.urandom(8)]"
    first, second = codemode.execute(code).result, codemode.execute(code).result
    assert all(a != b for a, b in zip(first, second, strict=True))
