"""End-to-end tests and hostile programs as an ordinary user: the built wheel, the system's Python, no privilege at all.

Started as root, it drops to a user id that owns nothing but a throw-away folder. Started by an ordinary user it has
nothing to add: then the main run was one. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WHEELS = TARGET / "wheels"
WHEELHOUSE = TARGET / "wheelhouse"
REQUIREMENTS = ROOT / "tools" / "requirements-test.txt"
SYSTEM_PYTHON = "/usr/bin/python3"
# No account: a number that nothing on the machine uses is as ordinary as a user gets.
UID = 64321
TIME_LIMIT = 900
SKIP = "CODEMODE_SKIP_ROOTLESS"

# The hostile programs once; that the courtesy of the guest is no wall was shown by the main run.
TESTS = (
    "tests/python/e2e",
    "tests/security/test_corpus.py",
    "tests/security/test_daemon_hardening.py",
    "--deselect=tests/security/test_corpus.py::test_without_courtesy",
)

_PROBE = "import sys, venv, ensurepip; print(*sys.version_info[:2]); sys.exit(sys.version_info < (3, 10))"


def main() -> int:
    if os.getuid() != 0:
        say("not root: the tests just ran as an ordinary user already")
        return 0
    if os.environ.get(SKIP) == "1":
        say(f"NOT RUN: the tests as an ordinary user ({SKIP}=1)")
        return 0
    if not system_python_fits():
        say(f"NOT RUN: {SYSTEM_PYTHON} is missing, older than 3.10 or without venv (Debian: python3-venv)")
        say(f"the tests as an ordinary user are part of the suite; {SKIP}=1 leaves them out")
        return 1
    (wheel,) = WHEELS.glob("codemode_runtime-*.whl")
    fill_wheelhouse()
    with throw_away_folder() as home:
        lay_out(home, wheel)
        hand_over(home)
        return run_tests(home, wheel.name)


def system_python_fits() -> bool:
    try:
        probe = subprocess.run(
            [SYSTEM_PYTHON, "-I", "-c", _PROBE], check=False, capture_output=True, env={"PATH": os.defpath}
        )
    except OSError:
        return False
    return probe.returncode == 0


def fill_wheelhouse() -> None:
    """Test tools for the system's Python, downloaded once, so that a warm run needs no network."""
    stamp = WHEELHOUSE / ".stamp"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + system_version().encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(WHEELHOUSE, ignore_errors=True)
    say("downloading the test tools for the system's Python")
    with tempfile.TemporaryDirectory() as folder:
        # Its own pip, or the conditions in the requirements would be judged for another Python.
        subprocess.run([SYSTEM_PYTHON, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        subprocess.run([*pip, "--dest", str(WHEELHOUSE), "--requirement", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted)


def system_version() -> str:
    probe = subprocess.run([SYSTEM_PYTHON, "-I", "-c", _PROBE], capture_output=True, text=True, check=True)
    return ".".join(probe.stdout.split())


@contextmanager
def throw_away_folder() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="codemode-rootless-", dir="/var/tmp"))
    try:
        yield home
    finally:
        end_everything_of(UID)
        shutil.rmtree(home, ignore_errors=True)


def lay_out(home: Path, wheel: Path) -> None:
    for name in ("tests", "examples", "tools", "docs"):
        shutil.copytree(ROOT / name, home / "tree" / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, home / "tree")
    shutil.copytree(WHEELHOUSE, home / "wheels")
    shutil.copy(wheel, home / "wheels")
    (home / "tmp").mkdir()


def hand_over(home: Path) -> None:
    os.chown(home, UID, UID)
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            os.lchown(os.path.join(folder, name), UID, UID)


def run_tests(home: Path, wheel: str) -> int:
    say(f"as uid {UID} with {SYSTEM_PYTHON} {system_version()}")
    python = str(home / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    sources = ["--find-links", str(home / "wheels"), "--requirement", str(REQUIREMENTS.relative_to(ROOT))]
    for command in (
        [SYSTEM_PYTHON, "-m", "venv", str(home / "venv")],
        [*install, *sources, str(home / "wheels" / wheel)],
        [python, "-m", "pytest", *TESTS, "-p", "no:cacheprovider"],
    ):
        code = as_ordinary_user(command, home)
        if code:
            return code
    return 0


def as_ordinary_user(command: list[str], home: Path) -> int:
    environment = {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "PATH": f"{home / 'venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CODEMODE_TEST_WHEEL_DIR": str(home / "wheels"),
    }
    process = subprocess.Popen(
        command, cwd=home / "tree", env=environment, user=UID, group=UID, extra_groups=[], umask=0o022,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(TIME_LIMIT)
    except subprocess.TimeoutExpired:
        say(f"`{' '.join(command)}` did not end within {TIME_LIMIT} s")
        return 124
    finally:
        end_everything_of(UID)


def end_everything_of(uid: int) -> None:
    """By process id: only this program starts anything under that user id."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                os.kill(int(entry.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def say(text: str) -> None:
    print(f"rootless: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
