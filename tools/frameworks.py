"""Runs tests/frameworks: each agent framework in an environment of its own, with the wheel that `build.py dev` made.

    frameworks.py [NAME ...] [-- PYTEST ARGUMENTS]     without a name: all of them, and the table in docs/frameworks

The environments are in target/frameworks, and each is kept while its requirements are the same: only making one needs
the network. The tests have none but loopback, where this is run as root, and a home folder that is thrown away.
Standard library only, and uv.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from build import DEV, ROOT, TARGET, digest, fail, need_venv_module, read, run, say

TESTS = ROOT / "tests" / "frameworks"
STATE = TARGET / "frameworks"
REQUIREMENTS = "requirements.txt"
# How the requirements of a package begin that has our import name: it is tested against the executor that was built.
ALONE = "# without codemode-runtime"
PAGE = ROOT / "docs" / "frameworks" / "index.md"
BEGIN, END = "<!-- results: made by make test-frameworks -->", "<!-- end of results -->"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--inside"]:
        return inside(arguments[1:])
    at = arguments.index("--") if "--" in arguments else len(arguments)
    names, given = chosen(arguments[:at]), arguments[at + 1 :]
    codes = {name: tested(name, given) for name in names}
    for name, code in codes.items():
        say(f"{name}: {'passed' if code == 0 else f'FAILED, pytest ended with {code}'}")
    if not arguments:
        PAGE.write_text(with_table(PAGE.read_text(), table(names)))
        say(f"the results are in {PAGE.relative_to(ROOT)}")
    return max(codes.values())


def chosen(names: list[str]) -> list[str]:
    known = sorted(path.parent.name for path in TESTS.glob(f"*/{REQUIREMENTS}"))
    if unknown := set(names) - set(known):
        fail(f"no tests for {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    return names or known


def tested(name: str, arguments: list[str]) -> int:
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as lock:
        # Two runs would change one environment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run_tests(name, environment(name), arguments)


def environment(name: str) -> Path:
    """Its interpreter, with exactly the pinned packages and the newest wheel."""
    wheels = sorted(DEV.wheels.glob("codemode_runtime-*.whl"))
    if len(wheels) != 1:
        fail(f"no wheel in {DEV.wheels}; run: make build")
    folder, requirements = STATE / name, TESTS / name / REQUIREMENTS
    python = folder / "bin" / "python"
    pip = (ROOT / ".venv" / "bin" / "uv", "pip", "install", "--quiet", "--system-certs", "--python", python)
    made, installed = folder / ".requirements", folder / ".installed"
    wanted = digest([sys.version, os.path.realpath(sys.executable)], [requirements])
    if read(made) != wanted:
        need_venv_module()
        say(f"creating the environment of {name}")
        run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", "--without-pip", folder)
        run(*pip, "--requirement", requirements)
        made.write_text(wanted)
    is_alone = requirements.read_text().startswith(ALONE)
    if not is_alone and read(installed) != (wanted := digest([], wheels)):
        run(*pip, "--no-index", "--no-deps", "--reinstall", wheels[0])
        installed.write_text(wanted)
    return python


def run_tests(name: str, python: Path, arguments: list[str]) -> int:
    report = f"--junit-xml={STATE / name}.xml"
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", report, str(TESTS / name), *arguments]
    if os.getuid() == 0:
        command = ["unshare", "--net", "--", sys.executable, __file__, "--inside", *command]
    else:
        say("not root: that nothing leaves the machine is watched by the tests, and not enforced")
    # Frameworks are large: without compiled files each run would read their sources again.
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="codemode-frameworks-") as home:
        return subprocess.run(command, check=False, cwd=ROOT, env={**kept, "HOME": home}).returncode


def table(names: list[str]) -> str:
    """What each framework's tests last came to, and with which versions."""
    rows = ["| guide | works with | tested with | CPython | tests passed |", "|---|---|---|---|---|"]
    for name in names:
        guide = f"[{name}]({name}.md)" if (PAGE.parent / f"{name}.md").is_file() else name
        tested_with = pinned(name)
        ranges = [f"`{requirement}`" for requirement in extras().get(name, ())]
        packages = [re.split("[<>=!~ ]", requirement.strip("`"))[0] for requirement in ranges] or [name]
        versions = [f"{package} {tested_with.get(canonical(package), '?')}" for package in packages]
        suites = ElementTree.parse(f"{STATE / name}.xml").getroot().iter("testsuite")
        counts = [
            {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")} for suite in suites
        ]
        every = sum(count["tests"] for count in counts)
        passed = every - sum(count["failures"] + count["errors"] + count["skipped"] for count in counts)
        python = ".".join(map(str, sys.version_info[:2]))
        cells = (guide, ", ".join(ranges) or "-", ", ".join(versions), python, f"{passed} of {every}")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_table(page: str, made: str) -> str:
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        fail(f"{PAGE} has no {BEGIN} and {END}, between which the table belongs")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def pinned(name: str) -> dict[str, str]:
    lines = (TESTS / name / REQUIREMENTS).read_text().splitlines()
    pins = (line.split(";")[0].split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonical(package.split("[")[0]): version.strip() for package, version in pins}


def extras() -> dict[str, list[str]]:
    """Of pyproject.toml, read without a library: Python 3.10 has none."""
    (section,) = re.findall(
        r"\[project.optional-dependencies\]\n(.*?)\n\n", (ROOT / "pyproject.toml").read_text(), re.DOTALL
    )
    return {
        name: re.findall('"(.*?)"', listed)
        for name, listed in re.findall(r"^([\w-]+) = \[(.*?)\]", section, re.MULTILINE)
    }


def canonical(package: str) -> str:
    return re.sub("[-_.]+", "-", package).lower()


def inside(command: list[str]) -> int:
    """In a network namespace that has only `lo`, and that goes with its last process."""
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
