"""What mode `restricted` costs: the same downloads and requests directly, through Codemode and through mitmproxy.

python egress.py CODEMODE [MITMDUMP]      as root; prints JSON

Everything happens in a network namespace that has nothing but `lo`, with an address on it that looks public and a hosts
file that has its name. The contestants take turns, so that a busy moment of the machine hits them alike.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import measure

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from network.link import assign  # noqa: E402
from security.namespaces import CLONE_NEWNET, CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, call, loopback_up  # noqa: E402

HOST, ADDRESS = "files.bench.test", "11.22.33.44"
ROUNDS = 5
SIZE = 512 << 20
FRESH, KEPT = 40, 100  # in each round
CLIENT = (HERE / "egress_client.py").read_text()

Run = Callable[[str], dict[str, Any]]


def main() -> None:
    codemode, mitmdump = Path(sys.argv[1]), sys.argv[2:3]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="codemode-bench-")))
        folder.chmod(0o755)
        enter_namespace(folder)
        certificates = folder / "certs"
        generate = [codemode, "tls", "generate-certs", "--out", certificates, "--host", HOST]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
        stack.enter_context(server(certificates))
        proxies = peers(stack, mitmdump[0], folder, certificates / "ca.pem") if mitmdump else {}
        trusted = [certificates / "ca.pem", *folder.glob("mitmproxy-ca-cert.pem")]
        bundle = folder / "trusted.pem"
        bundle.write_text("".join(path.read_text() for path in trusted))
        measure.report(contest(contestants(stack, bundle, proxies)))


def enter_namespace(folder: Path) -> None:
    """For this process, which has one thread, and all that it starts."""
    call("unshare", CLONE_NEWNS | CLONE_NEWNET)
    call("mount", None, "/", None, MS_REC | MS_PRIVATE, None)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
    call("mount", str(hosts), "/etc/hosts", None, MS_BIND, None)
    loopback_up()
    assign([ADDRESS])
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


@contextmanager
def server(certificates: Path) -> Iterator[None]:
    command = [sys.executable, HERE / "egress_server.py", ADDRESS, certificates / "server.pem"]
    process = subprocess.Popen(
        [*command, certificates / "server-key.pem"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout and process.stdout.readline() == b"listens\n"
        yield
    finally:
        process.communicate()


def peers(stack: ExitStack, program: str, folder: Path, upstream: Path) -> dict[str, str]:
    """The addresses of those that start."""
    started = {}
    ways: dict[str, tuple[int, list[str]]] = {
        "mitmproxy": (8080, []),
        "mitmproxy_passing": (8081, ["--ignore-hosts", ".*"]),
    }
    for name, (port, options) in ways.items():
        try:
            stack.enter_context(mitmproxy(program, port, folder, upstream, options))
        except TimeoutError as error:
            print(f"bench: {name}: {error}", file=sys.stderr, flush=True)
        else:
            started[name] = f"http://127.0.0.1:{port}"
    return started


@contextmanager
def mitmproxy(program: str, port: int, folder: Path, upstream: Path, options: list[str]) -> Iterator[None]:
    """With large bodies passed on as they come: its default is to keep them whole."""
    command = [
        program, "--quiet", "--mode", "regular", "--listen-host", "127.0.0.1", "--listen-port", str(port),
        "--set", f"confdir={folder}", "--set", f"ssl_verify_upstream_trusted_ca={upstream}",
        "--set", "stream_large_bodies=1m", *options,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def contestants(stack: ExitStack, bundle: Path, proxies: dict[str, str]) -> dict[str, Run]:
    """By name, what runs one turn."""
    from codemode import Codemode

    shared = {"limits": {"code_timeout": 300, "memory_limit": "512Mi"}, "pool": {"min": 1, "max": 1}}
    restricted = {"mode": "restricted", "allowed_domains": [HOST], "ca_file": str(bundle), "max_bytes": "64Gi"}
    unbounded = {"mode": "all", "ca_file": str(bundle)}
    whole, ours = (
        stack.enter_context(Codemode.local({**shared, "network": network})) for network in (unbounded, restricted)
    )

    def through(client: Codemode, way: str) -> Run:
        def run(arguments: str) -> dict[str, Any]:
            found: dict[str, Any] = client.execute(f"{CLIENT}\nmeasured({way!r}, {arguments})", check=True).result
            return found

        return run

    return {
        "direct": through(whole, "none"),
        "connect": through(ours, "given"),
        "captured": through(ours, "none"),
        **{name: through(whole, url) for name, url in proxies.items()},
    }


def contest(runs: dict[str, Run]) -> dict[str, Any]:
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    for run in runs.values():
        run(f"{1 << 20}, 3, 3")
    for number in range(ROUNDS):
        print(f"bench: round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        for name, run in runs.items():
            turns[name].append(run(f"{SIZE}, {FRESH}, {KEPT}"))
    return {name: summary(found) for name, found in turns.items()}


def summary(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Bytes per second, the middle one; milliseconds."""
    rates = {key: statistics.median(turn[key] for turn in turns) for key in ("https", "paced", "http")}
    pooled = {
        key: measure.summary([sample for turn in turns for sample in turn[key]])
        for key in ("fresh", "kept", "kept_http")
    }
    return {**rates, **pooled}


if __name__ == "__main__":
    main()
