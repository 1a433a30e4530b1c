"""`codemode serve` with a file as it is printed, here or in a network namespace that has nothing but `lo`."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from codemode import ClientConfig, Codemode
from e2e.daemon import CODEMODE
from network.bare_ground import bare_ground
from security.executor import Log

TESTS = Path(__file__).resolve().parents[1]
PRINTED_PORT = 8001


def environment(**variables: str) -> dict[str, str]:
    """Nothing of the caller's own configuration; `python3` is the interpreter of the tests, with their packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.defpath}", **variables}


@dataclass(frozen=True)
class Somewhere:
    """Where commands are started: `prefix` takes them there."""

    prefix: tuple[str, ...] = ()

    @classmethod
    def on(cls, near: int, hosts: Path) -> Somewhere:
        return cls((sys.executable, "-m", "network.enter", str(near), str(hosts)))

    def command(self, words: Sequence[str | Path]) -> list[str | Path]:
        return [*self.prefix, *words]

    def variables(self, **variables: str) -> dict[str, str]:
        return environment(**({"PYTHONPATH": str(TESTS)} if self.prefix else {}), **variables)

    def python(self, folder: Path, code: str, **variables: str) -> str:
        """What a program prints that runs there."""
        done = subprocess.run(
            self.command([sys.executable, "-c", code]), cwd=folder, env=self.variables(**variables),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serve(self, folder: Path, *options: str | Path, **variables: str) -> Iterator[Log]:
        process = subprocess.Popen(
            self.command([CODEMODE, "serve", *options]), cwd=folder, env=self.variables(**variables),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        with process:
            assert process.stdout
            log = Log(process.stdout)
            try:
                assert log.says(" serving address=", 60), log()
                yield log
            finally:
                process.terminate()
                try:
                    process.wait(30)
                finally:
                    process.kill()

    @contextmanager
    def client(self, config: Path, key: str | None = None, **variables: str) -> Iterator[Codemode]:
        """Of an executor that this file configures, on a Unix socket, which reaches into any namespace."""
        with tempfile.TemporaryDirectory(prefix="cm-") as short:
            address = f"unix:{short}/s"
            settings = ClientConfig(executor_url=address, executor_api_key=key)  # type: ignore[arg-type]
            with (
                self.serve(config.parent, "--config", config, "--listen", address, **variables),
                Codemode.from_client_config(settings) as codemode,
            ):
                yield codemode


HERE = Somewhere()


@contextmanager
def where_the_port_is_free(folder: Path, names: str = "") -> Iterator[Somewhere]:
    """A namespace of its own; an ordinary user has this machine's, if nobody else is on the port."""
    if os.getuid() == 0:
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {names}\n")
        with bare_ground() as near:
            yield Somewhere.on(near, hosts)
        return
    if names:
        pytest.skip(f"only root can give {names} an address; the main run does")
    if _is_taken(PRINTED_PORT):
        pytest.skip(f"port {PRINTED_PORT}, which the documents print, is taken, and only root can make another network")
    warnings.warn(f"not root: the printed port {PRINTED_PORT} is this machine's own", stacklevel=3)
    yield HERE


def _is_taken(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def moved(yaml: str) -> str:
    """The same settings at the file's other place for them: under `executor:`, or at the root."""
    head, _, rest = yaml.partition("\n")
    if head != "executor:":
        return f"executor:\n{textwrap.indent(yaml, '  ')}"
    # There, two keys of the client have longer names.
    renamed = {"url: ": "executor_url: ", "api_key: ": "executor_api_key: "}
    lines = textwrap.dedent(rest).splitlines()
    for short, long in renamed.items():
        lines = [long + line.removeprefix(short) if line.startswith(short) else line for line in lines]
    return "".join(f"{line}\n" for line in lines)
