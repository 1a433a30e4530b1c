"""Refusals in the documented words; what they must leave alone."""

from __future__ import annotations

import pytest
from guest.harness import run

CATCH = """
try:
    {}
except PermissionError as e:
    result = [str(e), e.errno]
"""


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import subprocess; subprocess.run(['rm', '-rf', '/nothing'])", "rm"),
        ("import subprocess; subprocess.run([b'/bin/rm'])", "rm"),
        ("import subprocess, pathlib; subprocess.run([pathlib.Path('/usr/bin/../bin/rm')])", "rm"),
        ("import subprocess; subprocess.run('rm x', shell=True)", "sh"),
        ("import os; os.system('rm x')", "sh"),
        ("import os; os.popen('rm x')", "sh"),
        ("import os; os.execv('/bin/rm', ['rm'])", "rm"),
        ("import os; os.execvp('rm', ['rm'])", "rm"),
        ("import os; os.posix_spawn('/bin/rm', ['rm'], {})", "rm"),
        ("import asyncio; await asyncio.create_subprocess_exec('rm')", "rm"),
    ],
)
def test_unauthorized_command(statement, name):
    got = run(CATCH.format(statement))
    assert got.error is None, got.error
    assert got.value == [f"unauthorized_command: {name}", 13]
    assert got.violations[0] == ("unauthorized_command", name)


def test_allowed_command_and_unknown_places():
    got = run("import subprocess\nresult = subprocess.run(['ls', '/dev/null'], capture_output=True, text=True).stdout")
    assert got.value == "/dev/null\n"
    got = run("import subprocess\nsubprocess.run(['/opt/tool-that-is-not-there'])")
    assert (got.error["error_type"], got.violations) == ("FileNotFoundError", [])


def test_a_loop_of_refusals_is_reported_only_so_often():
    got = run(
        """
        n = 0
        for _ in range(500):
            try: open('/etc/passwd')
            except PermissionError: n += 1
        n
        """
    )
    assert (got.value, len(got.violations)) == (500, 100)


def test_uncaught_refusal():
    got = run("import subprocess\n\nsubprocess.run(['rm'])")
    assert (got.error["error_type"], got.error["message"], got.error["line"]) == (
        "PermissionError",
        "unauthorized_command: rm",
        3,
    )
    assert got.error["traceback"].count("File ") == 1


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("open('/etc/passwd')", "/etc/passwd"),
        ("open(b'/etc/passwd')", "/etc/passwd"),
        ("open('/dev/../etc/passwd')", "/etc/passwd"),
        ("import os; os.chdir('/dev'); open('../etc/passwd')", "/etc/passwd"),
        ("import pathlib; pathlib.Path('/etc/passwd').read_text()", "/etc/passwd"),
        ("import os; os.open('/etc/passwd', 0)", "/etc/passwd"),
        ("import os; os.listdir('/etc')", "/etc"),
        ("import os; os.remove('/etc/nothing')", "/etc/nothing"),
        ("import shutil; shutil.copy('/etc/passwd', '/tmp/x')", "/etc/passwd"),
        ("import io, codecs; codecs.open('/etc/passwd')", "/etc/passwd"),
        ("exec(\"open('/etc/passwd')\")", "/etc/passwd"),
        ("open('//etc/passwd')", "/etc/passwd"),
    ],
)
def test_unauthorized_path(statement, path):
    got = run(CATCH.format(statement))
    assert got.error is None, got.error
    assert got.value == [f"unauthorized_path: {path}", 13]
    assert got.violations == [("unauthorized_path", path)]


def test_paths_left_alone(tmp_path):
    (tmp_path / "a.txt").write_text("inside")
    got = run(
        f"""
        import os, tempfile
        os.listdir('/')
        open(0, closefd=False)
        with tempfile.TemporaryFile() as f: f.write(b'x')
        result = open({str(tmp_path / "a.txt")!r}).read()
        """,
        roots=[str(tmp_path.parents[len(tmp_path.parents) - 2]), "/dev"],
    )
    assert (got.error, got.value, got.violations) == (None, "inside", [])


def test_a_library_that_probes_meets_the_kernel():
    got = run(
        """
        import types
        library = types.ModuleType('library')
        exec("def probe():\\n    try: return open('/etc/not-there')\\n    except OSError as e: return type(e).__name__",
             library.__dict__)
        result = library.probe()
        """
    )
    assert (got.value, got.violations) == ("FileNotFoundError", [])


@pytest.mark.parametrize(
    "statement",
    [
        "import subprocess",
        "import subprocess as sp",
        "from subprocess import run",
        "import os, subprocess, json",
        "def f():\n    import subprocess\nf()",
        "if True:\n    x = 1\nelse:\n    x = 2\nfor i in [1]:\n    from subprocess import Popen",
    ],
)
def test_no_subprocess_without_direct_execution(statement):
    got = run(statement, allow_direct_execution=False)
    assert (got.error["error_type"], got.error["message"]) == (
        "ModuleNotFoundError",
        "No module named 'subprocess'",
    )
    line = next(at for at, text in enumerate(statement.splitlines(), 1) if "subprocess" in text)
    assert got.error["line"] == line
    assert "subprocess" in got.error["traceback"].splitlines()[-2] + got.error["traceback"].splitlines()[-3]


def test_libraries_import_subprocess_freely():
    got = run(
        """
        import asyncio, multiprocessing, platform, sys
        try:
            import subprocess
        except ImportError as e:
            name = e.name
        result = ['subprocess' in sys.modules, name]
        """,
        allow_direct_execution=False,
    )
    assert got.value == [True, "subprocess"]


def test_direct_execution_off_refuses_every_command():
    got = run("import os\nos.system('ls')", allow_direct_execution=False, allowed_commands=["sh", "ls"])
    assert got.error["message"] == "unauthorized_command: sh"
