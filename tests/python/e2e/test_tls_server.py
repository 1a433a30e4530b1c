"""A port with TLS as others see it who are not ours: curl, openssl and Python's ssl, and floods of strangers."""

from __future__ import annotations

import json
import re
import resource
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from e2e.daemon import CODEMODE, KEY, Daemon

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "certs"
    said = run(CODEMODE, "tls", "generate-certs", "--out", folder, "--client", "alice")
    assert "For development only" in said
    return folder


def run(*command: str | Path, status: int = 0, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def serving(folder: Path, certs: Path, **tls: object) -> Daemon:
    pair = {"cert_file": str(certs / "server.pem"), "key_file": str(certs / "server-key.pem")}
    return Daemon(folder, {"tls": {**pair, **tls}})


@pytest.fixture(scope="module")
def daemon(certs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp("daemon"), certs) as running:
        yield running


_CURL = ("curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20")


def curl(*arguments: str | Path) -> str:
    return run(*_CURL, *arguments)


def curl_fails(*arguments: str | Path) -> str:
    """Its exit code is another in each version."""
    done = subprocess.run([*_CURL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode not in (0, 28), done.stdout
    return done.stdout


def s_client(port: int, *arguments: str | Path) -> str:
    """What openssl says of a connection that ends at once, whatever it came to."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments]
    done = subprocess.run(command, input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout.decode(errors="replace")


def test_the_certificates_are_sound(certs: Path) -> None:
    for name, purpose in (("server", "sslserver"), ("alice", "sslclient")):
        said = run(
            "openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", certs / "ca.pem", certs / f"{name}.pem"
        )
        assert said.endswith(": OK\n")
    text = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", certs / "server.pem")
    assert "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in text
    # Neither may stand in for the other.
    run("openssl", "verify", "-purpose", "sslserver", "-CAfile", certs / "ca.pem", certs / "alice.pem", status=2)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_runs_code(daemon: Daemon, certs: Path, version: str) -> None:
    url = f"https://localhost:{daemon.port}/v1/executions"
    headers = ["-H", f"authorization: Bearer {KEY}", "-H", "content-type: application/json"]
    body = json.dumps({"code": "6 * 7"})
    said = curl(version, "--cacert", certs / "ca.pem", *headers, "-d", body, "-w", " %{http_version}", url)
    answer, _, spoken = said.rpartition(" ")
    assert json.loads(answer)["result"] == 42 and spoken == {"--http1.1": "1.1", "--http2": "2"}[version]


def test_curl_does_not_trust_what_it_does_not_know(daemon: Daemon) -> None:
    said = curl_fails(f"https://localhost:{daemon.port}/healthz")
    assert "certificate" in said


def test_plaintext_and_tls_are_told_apart(daemon: Daemon, tmp_path: Path) -> None:
    said = curl("-w", "%{http_code}", f"http://127.0.0.1:{daemon.port}/healthz")
    assert said == "this port speaks TLS; use https://\n400"
    said = curl_fails("--http2-prior-knowledge", f"http://127.0.0.1:{daemon.port}/healthz")
    assert "HTTP2" in said or "HTTP/2" in said
    with Daemon(tmp_path) as plain:
        said = curl_fails("--insecure", f"https://127.0.0.1:{plain.port}/healthz")
        assert "alert protocol version" in said
        assert plain.http("/healthz")[0] == 200


@pytest.mark.parametrize(("version", "cipher"), [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")])
def test_versions_that_are_spoken(daemon: Daemon, certs: Path, version: str, cipher: str) -> None:
    said = s_client(daemon.port, version, "-alpn", "h2", "-CAfile", certs / "ca.pem", "-verify_ip", "127.0.0.1")
    assert "Verify return code: 0 (ok)" in said and "ALPN protocol: h2" in said and cipher in said


def test_versions_that_are_not(daemon: Daemon) -> None:
    for version in ("-tls1_1", "-tls1"):
        assert "Cipher is (NONE)" in s_client(daemon.port, version, "-cipher", "ALL@SECLEVEL=0")


def test_a_client_must_show_its_certificate(certs: Path, tmp_path: Path) -> None:
    url = "https://localhost:{}/healthz"
    pair = ("--cert", certs / "alice.pem", "--key", certs / "alice-key.pem")
    with serving(tmp_path, certs, ca_file=str(certs / "ca.pem")) as daemon:
        trust = ("--cacert", certs / "ca.pem")
        assert curl(*trust, *pair, url.format(daemon.port)) == '{"status":"ok"}'
        said = curl_fails(*trust, url.format(daemon.port))
        assert "alert certificate required" in said
        said = curl_fails(*trust, "--tls-max", "1.2", url.format(daemon.port))
        assert "alert certificate required" in said or "alert handshake failure" in said
        stranger = tmp_path / "stranger"
        run(CODEMODE, "tls", "generate-certs", "--out", stranger, "--client", "eve")
        said = curl_fails(
            *trust, "--cert", stranger / "eve.pem", "--key", stranger / "eve-key.pem", url.format(daemon.port)
        )
        assert "alert unknown ca" in said


_KEYS = {
    "PKCS#1": ["openssl", "genrsa", "-traditional", "2048"],
    "PKCS#8 with RSA": ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "SEC1": ["openssl", "ecparam", "-genkey", "-noout", "-name", "secp384r1"],
    "SEC1 with its parameters": ["openssl", "ecparam", "-genkey", "-name", "prime256v1"],
    "Ed25519": ["openssl", "genpkey", "-algorithm", "ed25519"],
}


@pytest.mark.parametrize("kind", _KEYS)
def test_keys_in_every_usual_form(kind: str, tmp_path: Path) -> None:
    made = subprocess.run(_KEYS[kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True)
    (tmp_path / "server-key.pem").write_bytes(made.stdout)
    names = ("-subj", "/CN=x", "-addext", "subjectAltName=DNS:localhost")
    run(
        "openssl",
        "req",
        "-x509",
        "-new",
        "-key",
        tmp_path / "server-key.pem",
        *names,
        "-days",
        "1",
        "-out",
        tmp_path / "server.pem",
    )
    with serving(tmp_path, tmp_path) as daemon:
        trust = ("--cacert", tmp_path / "server.pem")
        assert curl(*trust, f"https://localhost:{daemon.port}/healthz") == '{"status":"ok"}'


# Floods. Each is more than the daemon should ever hold at once.


@contextmanager
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    assert wanted >= 3000, f"this test opens some 2000 connections, and the limit is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def peak(daemon: Daemon) -> int:
    """The most memory that it ever had, in bytes."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


class Flood:
    def __init__(self, port: int, certs: Path, stack: ExitStack) -> None:
        self.address = ("127.0.0.1", port)
        self.stack = stack
        self.context = ssl.create_default_context(cafile=str(certs / "ca.pem"))

    def dial(self) -> socket.socket:
        connection = self.stack.enter_context(socket.create_connection(self.address, 20))
        connection.settimeout(20)
        return connection

    def secured(self, protocol: str = "http/1.1") -> ssl.SSLSocket:
        self.context.set_alpn_protocols([protocol])
        return self.stack.enter_context(self.context.wrap_socket(self.dial(), server_hostname="localhost"))


def send(connection: socket.socket, words: bytes) -> bool:
    """Whether it was taken; who floods is sent away in the end."""
    try:
        connection.sendall(words)
    except OSError:
        return False
    return True


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")


def post(path: bytes) -> bytes:
    """HPACK, without the table."""
    return b"\x83\x87" + b"\x04" + bytes([len(path)]) + path + b"\x01\x09localhost"


def idle(flood: Flood) -> None:
    for _ in range(2000):
        flood.dial()


def stalled_handshakes(flood: Flood) -> None:
    for _ in range(500):
        # The head of a ClientHello of 16 KiB, and half of it.
        send(flood.dial(), b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + bytes(8000))


def slow_headers(flood: Flood) -> None:
    for _ in range(300):
        send(flood.secured(), b"POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 4000)


def rapid_resets(flood: Flood) -> None:
    for _ in range(20):
        connection = flood.secured("h2")
        send(connection, PREFACE)
        streams = range(1, 4000, 2)
        head = post(b"/codemode.v1.Executor/Connect")
        resets = (frame(1, 4, stream, head) + frame(3, 0, stream, bytes([0, 0, 0, 8])) for stream in streams)
        assert not all(send(connection, reset) for reset in resets), "2000 resets were taken"


def header_floods(flood: Flood) -> None:
    field = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000
    for _ in range(20):
        connection = flood.secured("h2")
        # Few bytes that stand for many: the field, and a thousand times the same.
        send(connection, PREFACE + frame(1, 5, 1, post(b"/healthz") + field + b"\xbe" * 1000))
        send(connection, frame(1, 0, 3, post(b"/healthz")))
        # Fields for ever, each in the table for the next.
        assert not all(send(connection, frame(9, 0, 3, field * 4)) for _ in range(1000)), "16 MB of fields were taken"
    for _ in range(50):
        send(flood.secured(), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * MIB + b"\r\n\r\n")


def many_streams(flood: Flood) -> None:
    """Each waits for a message, with as many fields as it may have."""
    fields = b"\x40\x01x\x00" + b"\xbe" * 450 + b"\x00\x0ccontent-type\x10application/grpc"
    for _ in range(128):
        connection = flood.secured("h2")
        send(connection, PREFACE)
        for stream in range(1, 256, 2):
            if not send(connection, frame(1, 4, stream, post(b"/grpc.health.v1.Health/Check") + fields)):
                break


def wrong_keys(flood: Flood) -> None:
    body = json.dumps({"code": "1" * 40_000}).encode()
    head = f"POST /v1/executions HTTP/1.1\r\nHost: x\r\nx-api-key: wrong\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(50):
        connection = flood.secured()
        for _ in range(40):
            if not send(connection, head.encode() + body):
                break


FLOODS: list[Callable[[Flood], None]] = [
    idle,
    stalled_handshakes,
    slow_headers,
    rapid_resets,
    header_floods,
    many_streams,
    wrong_keys,
]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_a_flood_makes_it_neither_grow_nor_deaf(flood: Callable[[Flood], None], certs: Path, tmp_path: Path) -> None:
    with serving(tmp_path, certs) as daemon, many_descriptors(), ExitStack() as stack:
        # Once in the ordinary way, so that what it takes anyway is there.
        body = ("-H", f"x-api-key: {KEY}", "-H", "content-type: application/json", "-d", '{"code": "6 * 7"}')
        ask = ("--cacert", certs / "ca.pem", *body, f"https://localhost:{daemon.port}/v1/executions")
        assert json.loads(curl(*ask))["result"] == 42
        before = peak(daemon)
        flood(Flood(daemon.port, certs, stack))
        assert json.loads(curl(*ask))["result"] == 42, "who has a key is kept out"
        grown = (peak(daemon) - before) / MIB
        assert grown < 48, f"{flood.__name__}: {grown:.1f} MiB"
