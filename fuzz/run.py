"""Builds and runs the fuzz targets.

    run.py smoke                  each target for some seconds, on a stable toolchain; ends with 1 if one failed
    run.py TARGET                 one target until it fails or Ctrl-C; what it learns is kept in fuzz/corpus
    run.py TARGET --input FILE    one input, once
    run.py --list

Standard library only. Rust targets are in fuzz_targets/ and src/, Python targets in python/. Both are libFuzzer.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
VENV_PYTHON = VENV / "bin/python"
REQUIREMENTS = (HERE / "requirements.txt", HERE.parent / "tools/requirements-test.txt")

# What `cargo fuzz` sets, less the sanitizers, which need a nightly compiler: coverage and comparisons for libFuzzer.
COVERAGE = ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")
RUSTFLAGS = ["-Cpasses=sancov-module", *(f"-Cllvm-args=-sanitizer-coverage-{each}" for each in COVERAGE)]

# The same run each time, as far as a bound in seconds allows. An input that takes seconds or much memory is a finding.
LIMITS = ("-rss_limit_mb=2048", "-timeout=10", "-max_len=4096", "-print_final_stats=1")
DICTIONARIES = {
    "policy": "policy.dict",
    "domains": "domains.dict",
    "client_hello": "hello.dict",
    "configuration": "policy.dict",
    "client_configuration": "policy.dict",
    "dns_stub": "dns.dict",
    "egress_heads": "egress.dict",
    "proto": "policy.dict",
    "schema": "values.dict",
    "values_decode": "values.dict",
    "values_tables": "values.dict",
}
DONE = re.compile(r"^#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
INTERRUPTED = (72, 130)  # of libFuzzer, of atheris
FOUND = re.compile(r"Test unit written to (\S+)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", default="", help="a target, or smoke")
    parser.add_argument("--seconds", type=int, default=None, help="how long a target runs (smoke: 5)")
    parser.add_argument("--input", type=Path, help="replay this file only")
    parser.add_argument("--list", action="store_true", help="list the targets")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(RUST + PYTHON))
        return 0
    if arguments.target != "smoke" and arguments.target not in RUST + PYTHON:
        parser.error(f"no target {arguments.target!r}; there are: smoke, {', '.join(RUST + PYTHON)}")
    prepare([arguments.target] if arguments.target != "smoke" else RUST + PYTHON)
    if arguments.target == "smoke":
        return smoke(arguments.seconds or 5)
    if arguments.input:
        return replay(arguments.target, arguments.input)
    return keep_on(arguments.target, arguments.seconds or 0)


RUST = sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs"))
PYTHON = ["values_decode", "values_round_trip", "values_tables"]


def prepare(targets: list[str]) -> None:
    if any(target in RUST for target in targets):
        bins = [part for target in targets if target in RUST for part in ("--bin", target)]
        flags = " ".join([os.environ.get("RUSTFLAGS", ""), *RUSTFLAGS]).strip()
        # A named platform keeps the flags from build scripts, which are no fuzz targets.
        run("cargo", "build", "--release", "--target", host(), "--target-dir", "target", *bins, RUSTFLAGS=flags)
    if any(target in PYTHON for target in targets):
        make_venv()


def make_venv() -> None:
    wanted = "\n".join([sys.version, *(path.read_text() for path in REQUIREMENTS)])
    stamp = VENV / ".requirements"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print("fuzz: installing libFuzzer for Python into fuzz/.venv", flush=True)
    run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", VENV)
    run(VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", REQUIREMENTS[0])
    stamp.write_text(wanted)


def run(*command: str | Path, **variables: str) -> None:
    subprocess.run(command, cwd=HERE, env=os.environ | variables, check=True)


def host() -> str:
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in told.splitlines() if line.startswith("host: "))


def command_of(target: str) -> list[str]:
    if target in PYTHON:
        return [str(VENV_PYTHON), str(HERE / "python/target.py"), target]
    return [str(HERE / "target" / host() / "release" / target)]


def options_of(target: str) -> list[str]:
    artifacts = HERE / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    options = [*LIMITS, f"-artifact_prefix={artifacts}/"]
    if target in DICTIONARIES:
        options.append(f"-dict={HERE / 'dictionaries' / DICTIONARIES[target]}")
    return options


def known(target: str) -> list[str]:
    folders = (HERE / kind / target for kind in ("seeds", "regressions"))
    return [str(folder) for folder in folders if folder.is_dir()]


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where that can be: some targets make files for each input."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="codemode-fuzz-", dir=memory if os.access(memory, os.W_OK) else None)


def environment(temporary: str | Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(temporary), "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Ending:
    target: str
    code: int
    log: str

    def row(self) -> str:
        done = DONE.search(self.log)
        runs, coverage, features, corpus = done.groups() if done else ("-",) * 4
        word = "ok" if self.code == 0 and done else "FAILED"
        return f"{self.target:<18} {runs:>9} {coverage:>8} {features:>8} {corpus:>7}  {word}"


def smoke(seconds: int) -> int:
    """Starts from the files in the repository alone, so that one run does not depend on another."""
    print(f"{'target':<18} {'runs':>9} {'coverage':>8} {'features':>8} {'corpus':>7}", flush=True)
    failed = []
    for target in RUST + PYTHON:
        with scratch_folder() as scratch:
            learnt, temporary = Path(scratch, "corpus"), Path(scratch, "tmp")
            learnt.mkdir()
            temporary.mkdir()
            limits = ["-seed=1", f"-max_total_time={seconds}"]
            command = [*command_of(target), *options_of(target), *limits, str(learnt), *known(target)]
            done = subprocess.run(
                command, env=environment(temporary), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
            )
        ending = Ending(target, done.returncode, done.stdout)
        print(ending.row(), flush=True)
        if "FAILED" in ending.row():
            failed.append(ending)
    for ending in failed:
        explain(ending)
    return 1 if failed else 0


def explain(ending: Ending) -> None:
    print(f"\n---- {ending.target} (exit code {ending.code})\n{ending.log[-4000:]}")
    if found := FOUND.search(ending.log):
        path = os.path.relpath(found[1], HERE.parent)
        print(f"The input is {path}. Once more: make fuzz TARGET={ending.target} INPUT={path}")
        print(f"Once it is fixed, keep it as fuzz/regressions/{ending.target}/<what-it-shows>: the tests replay it.")


def replay(target: str, path: Path) -> int:
    with scratch_folder() as scratch:
        command = [*command_of(target), *options_of(target), str(path.resolve())]
        return subprocess.run(command, env=environment(scratch)).returncode


def keep_on(target: str, seconds: int) -> int:
    corpus = HERE / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    with scratch_folder() as scratch:
        command = [*command_of(target), *options_of(target), f"-max_total_time={seconds}", str(corpus), *known(target)]
        # Ctrl-C is the fuzzer's: it says what it has done and ends. A handler of our own is not inherited.
        signal.signal(signal.SIGINT, lambda *_: None)
        code = subprocess.run(command, env=environment(scratch)).returncode
    return 0 if code in INTERRUPTED else code


if __name__ == "__main__":
    sys.exit(main())
