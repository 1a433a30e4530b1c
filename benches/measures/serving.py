"""`codemode serve` of the same environment, for as long as a block."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from codemode import ClientConfig, ComponentRegistry

PROGRAM = Path(sys.executable).parent / "codemode"


@contextmanager
def server(*options: str | Path, environment: Mapping[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """The port it listens on, and its key."""
    key = secrets.token_hex(16)
    given = {**os.environ, "CODEMODE_API_KEY": key, "CODEMODE_PORT": "0", **(environment or {})}
    process = subprocess.Popen(
        [PROGRAM, "serve", *options], env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield port(process), key
    finally:
        process.terminate()
        process.communicate(timeout=30)


def port(process: subprocess.Popen[bytes]) -> int:
    """Waits for the line that names it."""
    assert process.stdout
    seen = b""
    for line in process.stdout:
        seen += line
        if found := re.search(rb"127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise SystemExit(f"codemode serve did not start:\n{seen.decode(errors='replace')}")


@contextmanager
def tcp() -> Iterator[ClientConfig]:
    with server() as (number, key):
        yield ClientConfig(executor_url=f"grpc://127.0.0.1:{number}", executor_api_key=key)


@contextmanager
def tls() -> Iterator[ClientConfig]:
    with tempfile.TemporaryDirectory(prefix="codemode-bench-") as folder:
        certificates = Path(folder) / "certs"
        subprocess.run([PROGRAM, "tls", "generate-certs", "--out", certificates], check=True, stdout=subprocess.DEVNULL)
        options = ("--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server-key.pem")
        with server(*options) as (number, key):
            url = f"grpcs://localhost:{number}"
            yield ClientConfig(executor_url=url, executor_api_key=key, tls_cert_path=str(certificates / "ca.pem"))


def registry() -> ComponentRegistry:
    made = ComponentRegistry()
    made.register_tool("echo", lambda value: value, description="The value itself.")
    return made
