"""What a new user does first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codemode import Codemode, ExecutionResult

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}


def python(code: str, *, executable: Path | str = sys.executable, timeout: float = 60) -> str:
    done = subprocess.run(
        [executable, "-c", code], capture_output=True, text=True, env=CLEAN, timeout=timeout, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_line_of_the_readme() -> None:
    assert python("from codemode import Codemode; print(Codemode().execute('2 + 2'))") == "4\n"


def test_result_variable_beats_the_last_expression(codemode: Codemode) -> None:
    assert codemode.execute("result = 1\n2").result == 1
    assert codemode.execute("1\n2").result == 2
    nothing = codemode.execute("x = 1")
    assert (nothing.success, nothing.result, nothing.result_json) == (True, None, None)


def test_what_the_interpreter_ran_in_advance_closes_no_file_of_the_code(codemode: Codemode) -> None:
    code = """
import gc, os, resource
free = range(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
for number in free:
    os.dup2(0, number)
gc.collect()
result = len(free) - len([os.fstat(number) for number in free])
"""
    assert codemode.execute(code, check=True).result == 0


def test_the_pages_that_most_code_writes_to_are_copied_before_it_comes(codemode: Codemode) -> None:
    """Without that, each of the first uses below costs a page fault for every page that nobody has touched yet."""
    code = """
import resource
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
faults()
before = faults()
compile("def f(a, b=[1, 2]): return {'n': [a, (b, 1.5)]}", "anywhere", "exec")
tools['__list__'].run()
result = faults() - before
"""
    assert codemode.execute(code, check=True).result < 20


def test_every_execution_starts_afresh(codemode: Codemode) -> None:
    assert codemode.execute("left_behind = 1; open('/sandbox/file', 'w').write('x')").success
    code = "import os; ('left_behind' in globals(), os.path.exists('/sandbox/file'))"
    assert codemode.execute(code).result == (False, False)


def test_the_result_says_what_held_the_code(codemode: Codemode) -> None:
    result = codemode.execute("1")
    assert result.isolation.tier in ("full", "container")
    assert {"landlock", "seccomp"} <= {layer.split()[0].lower() for layer in result.isolation.layers}
    assert result.execution_id and result.correlation_id.startswith("cm-")
    assert 0 < result.duration_ms < 60_000
    assert result.usage.peak_memory_bytes > 1 << 20


def test_output_is_streamed_and_kept_apart(codemode: Codemode) -> None:
    out: list[str] = []
    result = codemode.execute(
        "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)", on_stdout=out.append
    )
    assert (result.stdout, result.stderr) == ("to stdout\n", "to stderr\n")
    assert "".join(out) == "to stdout\n"


def test_printing_cannot_forge_a_result(codemode: Codemode) -> None:
    result = codemode.execute("print('__RESULT__: 5'); print('{\"result\": 5}'); 4")
    assert result.result == 4


def test_the_client_survives_a_fork() -> None:
    code = """
import os
from codemode import Codemode
codemode = Codemode()
assert codemode.execute('1 + 1').result == 2
pid = os.fork()
if pid == 0:
    os._exit(0 if codemode.execute('2 + 2').result == 4 else 1)
_, status = os.waitpid(pid, 0)
assert status == 0, status
print(codemode.execute('3 + 3'))
"""
    assert python(code) == "6\n"


def test_ctrl_c_stops_the_execution_and_is_raised() -> None:
    code = """
import os, signal
from codemode import Codemode
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with it ignored
codemode = Codemode()
def on_stdout(text): os.kill(os.getpid(), signal.SIGINT)
try:
    codemode.execute('print(1, flush=True)\\nwhile True: pass', on_stdout=on_stdout)
except KeyboardInterrupt:
    print('interrupted', codemode.execute('5 + 5'))
"""
    assert python(code) == "interrupted 10\n"


@pytest.fixture(scope="module")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel, what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (wheel,) = wheels().glob("codemode_runtime-*.whl")
    # The ordinary-user run brings everything along; otherwise pip asks its index.
    sources = ["--no-index", "--find-links", wheels()] if "CODEMODE_TEST_WHEEL_DIR" in os.environ else []
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *sources, wheel], check=True)
    return folder


def wheels() -> Path:
    named = os.environ.get("CODEMODE_TEST_WHEEL_DIR")
    return Path(named) if named else Path(__file__).parents[3] / "target" / "wheels"


def test_the_wheel_is_all_it_takes(empty_environment: Path) -> None:
    executable = empty_environment / "bin/python"
    assert python("from codemode import Codemode; print(Codemode().execute('2 + 2'))", executable=executable) == "4\n"
    listed = subprocess.run([executable, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    allowed = {"codemode-runtime", "pydantic", "pydantic_core", "annotated-types", "typing_extensions",
               "typing-inspection", "pip", "setuptools"}  # fmt: skip
    assert {line.split()[0] for line in listed.splitlines()[2:]} <= allowed


def test_doctor_works_from_the_wheel(empty_environment: Path) -> None:
    done = subprocess.run(
        [empty_environment / "bin/codemode", "doctor"], capture_output=True, text=True, env=CLEAN, timeout=60, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "landlock" in done.stdout.lower() and "seccomp" in done.stdout.lower()


def test_a_result_is_an_execution_result(codemode: Codemode) -> None:
    assert isinstance(codemode.execute("1"), ExecutionResult)
