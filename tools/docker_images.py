"""The images that the container tests need, made without a registry. Standard library only.

The engine has no network. What comes from outside is fetched before it starts, into what its base images are made of,
and the Dockerfile finds its packages installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import debian

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
STATE = TARGET / "docker"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
CONFIGURATION = ROOT / "deploy" / "docker" / "codemode.yaml"

EXECUTOR = "codemode/executor:latest"
_SYSTEM = "codemode/system"
# Both made of Debian's packages; the second stands for the official Rust image.
_BASE, _BUILDER = "base", "builder"
_COMPILER = ["gcc", "libc6-dev"]


def packages() -> list[str]:
    """Those that the Dockerfile installs."""
    (listed,) = re.findall(r"apt-get install.*?--no-install-recommends (.*?)&&", DOCKERFILE.read_text(), re.DOTALL)
    return [word for line in listed.split("\n") if "#" not in line for word in line.split() if word != "\\"]


def fetch(name: str, contents: list[str]) -> Path:
    """The archive of a Debian with these packages, made if need be. Needs the network and root."""
    wanted = hashlib.sha256(" ".join([str(debian.release()), *contents]).encode()).hexdigest()
    archive = STATE / f"{name}-{wanted[:16]}.tar"
    if archive.is_file():
        return archive
    for stale in STATE.glob(f"{name}-*.tar"):
        stale.unlink()
    say(f"fetching Debian {debian.release()} with {' '.join(contents)}")
    folder = STATE / "root"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _quiet("debootstrap", "--variant=minbase", str(debian.release()), str(folder))
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        install = ("apt-get", "install", "--yes", "--no-install-recommends", *contents)
        _quiet("chroot", str(folder), *install, environment=environment)
        left_out = ("./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*", "./dev/*", "./proc/*", "./sys/*")
        partial = archive.with_suffix(".partial")
        _quiet("tar", "-C", str(folder), *(f"--exclude={path}" for path in left_out), "-cf", str(partial), ".")
        partial.replace(archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return archive


def fetch_base() -> None:
    fetch(_BASE, packages())


def fetch_builder() -> None:
    """With the crates that the lock file names: cargo does not ask for them again."""
    fetch(_BUILDER, _COMPILER)
    _quiet("cargo", "fetch", "--locked")


class Images:
    """On the engine that `environment` names. Everything was fetched before."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def assemble(self) -> None:
        """The Dockerfile's system, with the host's executor and guest library where the Dockerfile puts its own."""
        context = _context()
        self._build(_SYSTEM, context, "--target", "system", "--build-arg", f"BASE_IMAGE={self.base()}")
        for source, place in (("codemode", "bin"), ("libcodemode_guest.so", "lib/codemode")):
            (context / "local" / place).mkdir(parents=True)
            shutil.copy(TARGET / "debug" / source, context / "local" / place)
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(f"FROM {_SYSTEM}\nCOPY local/ /usr/local/\n")
        self._build(EXECUTOR, context, file=dockerfile)

    def build_from_source(self) -> None:
        """As the Dockerfile says."""
        builder = self._make_builder()
        say("building the image from source")
        self._build(
            EXECUTOR, ROOT, "--build-arg", f"BASE_IMAGE={self.base()}", "--build-arg", f"BUILDER_IMAGE={builder}"
        )

    def base(self) -> str:
        """Its name on the engine: a Debian with all that the Dockerfile installs."""
        return self._import(fetch(_BASE, packages()))

    def _import(self, archive: Path) -> str:
        """The name is the contents': an image that is there is the right one."""
        image = f"codemode/{archive.stem}"
        inspect = ["docker", "image", "inspect", image]
        if subprocess.run(inspect, check=False, capture_output=True, env=self._environment).returncode:
            self._docker("import", str(archive), image)
        return image

    def _make_builder(self) -> str:
        """This machine's toolchain and its cache of crates, on Debian's linker."""
        say("making the builder")
        sysroot = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, check=True, capture_output=True, text=True)
        cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        image, context = "codemode/builder", _context()
        try:
            shutil.copytree(sysroot.stdout.strip(), context / "rust", symlinks=True, ignore=_documentation)
            shutil.copytree(cargo / "registry", context / "registry", ignore=shutil.ignore_patterns("src"))
            dockerfile = context / "Dockerfile"
            dockerfile.write_text(
                f"FROM {self._import(fetch(_BUILDER, _COMPILER))}\n"
                "COPY rust /opt/rust\nCOPY registry /opt/cargo/registry\n"
                "ENV PATH=/opt/rust/bin:/usr/bin:/bin CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true\n"
            )
            self._build(image, context, file=dockerfile)
        finally:
            shutil.rmtree(context)
        return image

    def _build(self, tag: str, context: Path, *options: str, file: Path = DOCKERFILE) -> None:
        self._docker("build", "--quiet", "--network", "none", "--file", str(file), "--tag", tag, *options, str(context))

    def _docker(self, *words: str) -> None:
        _quiet("docker", *words, environment=self._environment)


def _quiet(*words: str, environment: Mapping[str, str] | None = None) -> None:
    """Says something only when it fails."""
    ran = subprocess.run(
        words, check=False, cwd=ROOT, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if ran.returncode:
        raise SystemExit(f"docker: `{' '.join(words)}` failed:\n{ran.stdout.decode(errors='replace')[-8000:]}")


def _context() -> Path:
    """A fresh folder with the one file that the Dockerfile copies beside the sources."""
    context = STATE / "context"
    shutil.rmtree(context, ignore_errors=True)
    place = context / CONFIGURATION.relative_to(ROOT)
    place.parent.mkdir(parents=True)
    shutil.copy(CONFIGURATION, place)
    return context


def _documentation(folder: str, names: list[str]) -> set[str]:
    """A quarter of a toolchain, and nothing that builds."""
    return {"doc"} & set(names) if folder.endswith("/share") else set()


def say(text: str) -> None:
    print(f"docker: {text}", flush=True)
