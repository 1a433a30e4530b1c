"""Builds what a user installs: the client extension, the guest module and the executor, packed as one wheel.

    build.py venv      .venv with the pinned developer tools
    build.py dev       dev profile, wheel in target/wheels, installed into .venv
    build.py release   release profile, wheel in dist/
    build.py walls     the guest module that can leave out a wall, in target/walls: for tests/security, in no wheel

Standard library only. A step whose inputs have not changed is skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
PACKAGE = ROOT / "python" / "codemode"
MINIMUM_RUST = (1, 88)

# What a wheel is made of. Anything else (tests, benches, documents) does not call for a new one.
WHEEL_INPUTS = (
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "crates",
    "deploy",
    "proto",
    "pyproject.toml",
    "python",
    "tools/build.py",
    "tools/pyo3.config",
    "tools/requirements.txt",
)
# In a wheel.
GUEST = "codemode/_guest/libcodemode_guest.so"
# What only a guest module with the feature `removable-walls` contains (codemode-sandbox, apply/removed.rs).
REMOVABLE_WALLS = b"/codemode-without-"
NO_INPUT = {"__pycache__", "_bin", "_guest", "tests", "snapshots"}


@dataclass(frozen=True)
class Profile:
    name: str
    folder: str  # cargo's, under target/
    wheels: Path


DEV = Profile("dev", "debug", TARGET / "wheels")
RELEASE = Profile("release", "release", ROOT / "dist")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=("venv", "dev", "release", "walls"))
    step = parser.parse_args().step
    if step == "walls":
        return build_removable_walls()
    make_venv()
    if step == "dev":
        install(build_wheel(DEV))
    elif step == "release":
        # The benchmark and `make test` share .venv, which always holds the dev wheel; a release wheel is only built.
        say(f"wheel: {build_wheel(RELEASE).relative_to(ROOT)}")


def make_venv() -> None:
    """`.venv` with the developer's tools."""
    tools = ROOT / "tools"
    environment(VENV, tools / "requirements.txt", tools / "requirements-test.txt")


def environment(folder: Path, requirements: Path, *included: Path) -> Path:
    """The interpreter of an environment with exactly the pinned packages, made from the one that runs this file."""
    python, stamp = folder / "bin" / "python", folder / ".requirements"
    wanted = digest([sys.version, os.path.realpath(sys.executable)], [*included, requirements])
    if read(stamp) == wanted and python.exists():
        return python
    need_venv_module()
    shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    say(f"creating {shown} with Python {sys.version.split()[0]}")
    # Not the interpreter of an activated .venv, which would clear away itself.
    run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", folder)
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--requirement", requirements)
    stamp.write_text(wanted)
    return python


def build_wheel(profile: Profile) -> Path:
    need_toolchain()
    inputs = digest([profile.name, rust_version()], files(WHEEL_INPUTS))
    stamp = TARGET / f".wheel-{profile.name}"
    made = sorted(profile.wheels.glob("codemode_runtime-*.whl"))
    if len(made) == 1 and read(stamp) == inputs:
        return made[0]
    for stale in (*made, stamp):
        stale.unlink(missing_ok=True)
    say(f"building the executor and the guest module ({profile.name})")
    cargo_build(profile)
    stage(TARGET / profile.folder / "codemode", PACKAGE / "_bin" / "codemode", 0o755)
    stage(TARGET / profile.folder / "libcodemode_guest.so", PACKAGE / "_guest" / "libcodemode_guest.so", 0o644)
    say(f"packing the wheel ({profile.name})")
    maturin(profile)
    (wheel,) = profile.wheels.glob("codemode_runtime-*.whl")
    check_contents(wheel)
    stamp.write_text(inputs)
    return wheel


def cargo_build(profile: Profile) -> None:
    run("cargo", "build", "--locked", "--profile", profile.name, "-p", "codemode-cli", "-p", "codemode-guest")


def maturin(profile: Profile) -> None:
    # The platform tag is plain `linux`: the executor and the guest module travel as package data, which an audit for a
    # manylinux tag does not look at, so such a tag would promise what nobody checked. Pip installs it on the machine
    # (and C library) it was built on, and on newer ones.
    tag = ("--compatibility", "linux", "--auditwheel", "skip")
    # The same description of Python as every other cargo call (.cargo/config.toml); maturin would make up its own, and
    # each change of it rebuilds all that links to Python.
    env = {"PYO3_CONFIG_FILE": str(ROOT / "tools" / "pyo3.config"), "PYO3_BUILD_EXTENSION_MODULE": "1"}
    tool = VENV / "bin" / "maturin"
    run(tool, "build", "--locked", "--profile", profile.name, *tag, "-i", VENV_PYTHON, "-o", profile.wheels, env=env)


def stage(built: Path, packed: Path, mode: int) -> None:
    packed.parent.mkdir(exist_ok=True)
    partial = packed.with_suffix(".partial")
    shutil.copyfile(built, partial)
    partial.chmod(mode)
    # Renamed, not overwritten: an executor that still runs keeps its own file.
    partial.replace(packed)


def build_removable_walls() -> None:
    """The guest in a target folder of its own: what a wheel is made of is never built with this feature.

    The daemon that accepts it has another name than the ordinary one, and shares what both are built from.
    """
    need_toolchain()
    build = ("cargo", "build", "--locked", "--profile", DEV.name, "--features", "removable-walls")
    run(*build, "-p", "codemode-guest", "--target-dir", TARGET / "walls")
    run(*build, "-p", "codemode-cli", "--bin", "codemode-without-walls")


def check_contents(wheel: Path) -> None:
    from zipfile import ZipFile

    with ZipFile(wheel) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        guest = archive.read(GUEST) if GUEST in modes else b""
    for name in ("codemode/_native.abi3.so", GUEST, "codemode/py.typed"):
        if name not in modes:
            fail(f"{wheel.name} lacks {name}")
    if REMOVABLE_WALLS in guest:
        fail(f"{wheel.name} holds a guest module that can leave out a wall")
    if not modes.get("codemode/_bin/codemode", 0) & 0o111:
        fail(f"{wheel.name} lacks codemode/_bin/codemode, or it is not executable there")


def install(wheel: Path) -> None:
    stamp = VENV / ".installed"
    wanted = digest([], [wheel])
    if read(stamp) == wanted and (VENV / "bin" / "codemode").exists():
        return
    say(f"installing {wheel.name} into .venv")
    pip("install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)
    stamp.write_text(wanted)


def need_venv_module() -> None:
    try:
        import ensurepip
        import venv
    except ImportError:
        fail(f"{sys.executable} has no venv module; install it (Debian: python3-venv) or set PYTHON= to another one")
    del ensurepip, venv


def need_toolchain() -> None:
    for tool, advice in (
        ("cargo", "install a Rust toolchain, {}.{} or newer".format(*MINIMUM_RUST)),
        ("rustc", "install a Rust toolchain, {}.{} or newer".format(*MINIMUM_RUST)),
        ("cc", "install a C compiler and linker (Debian: gcc)"),
    ):
        if shutil.which(tool) is None:
            fail(f"{tool} is not on PATH; {advice}")
    found = re.match(r"rustc (\d+)\.(\d+)", rust_version())
    if found and tuple(map(int, found.groups())) < MINIMUM_RUST:
        fail("Rust {}.{} or newer is needed; this is {}".format(*MINIMUM_RUST, rust_version()))


def rust_version() -> str:
    return subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def files(names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        if path.is_file():
            yield path
        for folder, folders, leaves in os.walk(path):
            folders[:] = sorted(set(folders) - NO_INPUT)
            yield from (Path(folder, leaf) for leaf in sorted(leaves))


def digest(words: list[str], paths: Iterator[Path] | list[Path]) -> str:
    """Of contents, not times: a checkout or a copy of the same tree is the same input."""
    total = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        total.update(f"\0{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def pip(*arguments: object) -> None:
    run(VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments)


def run(*command: object, env: dict[str, str] | None = None) -> None:
    words = list(map(str, command))
    code = subprocess.run(words, check=False, cwd=ROOT, env={**os.environ, **(env or {})}).returncode
    if code:
        fail(f"`{' '.join(words)}` ended with {code}")


def say(text: str) -> None:
    print(f"codemode: {text}", flush=True)


def fail(text: str) -> None:
    raise SystemExit(f"codemode: {text}")


if __name__ == "__main__":
    main()
