"""The arena itself, without the product: what it serves, what it takes down, and that nothing can leave it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from dnslib import DNSRecord

from network.authority import Authority
from network.bare_ground import bare_ground
from network.ground import Ground
from network.link import assign
from network.package_index import PACKAGE, package_index
from network.places import EVIL, GOOD, GOOD_V6, LISTED, NAMESERVER, ON_LO
from network.repository import FILE, NAME, TEXT, repository
from security.namespaces import CLONE_NEWNET, call

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make the arena; the main run does")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def everything(authority: Authority) -> Iterator[tuple[Ground, int]]:
    with bare_ground() as pid:
        ground = Ground(pid, authority)
        yield ground, pid
        ground.close()


@pytest.fixture
def ground(everything: tuple[Ground, int]) -> Ground:
    everything[0].begin()
    return everything[0]


@pytest.fixture
def curl(everything: tuple[Ground, int], authority: Authority, tmp_path: Path) -> partial[str]:
    return partial(run_curl, everything[1], authority.write(tmp_path / "ca.pem"))


def run_there(pid: int, *command: str) -> str:
    def go_in() -> None:
        with open(f"/proc/{pid}/ns/net") as namespace:
            call("setns", namespace.fileno(), CLONE_NEWNET)

    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=go_in, env=environment)
    return done.stdout or done.stderr


def run_curl(pid: int, authority: Path, *arguments: str) -> str:
    usual = ("--silent", "--show-error", "--max-time", "20", "--cacert", str(authority))
    return run_there(pid, "curl", *usual, *arguments)


def dial(ground: Ground, host: str, port: int) -> socket.socket:
    return ground.inside(lambda: socket.create_connection((host, port), 20))


def test_the_machines_own_network_is_refused() -> None:
    """The rule before all others: where there is more than `lo`, nothing is done."""
    if [name for _, name in socket.if_nameindex()] == ["lo"]:
        pytest.skip("this machine has nothing but lo; there is nothing to refuse")
    with pytest.raises(AssertionError):
        assign(ON_LO)
    with pytest.raises(AssertionError):
        Ground(os.getpid(), Authority())


def test_there_is_no_way_out(ground: Ground) -> None:
    def reach() -> None:
        with socket.create_connection(("11.22.99.99", 80), 5):
            pytest.fail("somebody answers")

    with pytest.raises(OSError, match="unreachable"):
        ground.inside(reach)


@pytest.mark.parametrize(("address", "secure"), [(GOOD, False), (GOOD, True), (GOOD_V6, False), (GOOD_V6, True)])
def test_echo(ground: Ground, curl: partial[str], address: str, secure: bool) -> None:
    scheme, port = ("https", 443) if secure else ("http", 80)
    at = f"api.allowed.test:{port}:[{address}]" if ":" in address else f"api.allowed.test:{port}:{address}"
    told = json.loads(curl("--resolve", at, f"{scheme}://api.allowed.test/x?y", "--data", "abc"))
    assert (told["address"], told["port"], told["target"], told["body_length"]) == (address, port, "/x?y", 3)
    assert told["sni"] == ("api.allowed.test" if secure else None)
    assert ground.trespasses() == []


def test_a_listed_address_needs_no_name(ground: Ground, curl: partial[str]) -> None:
    assert json.loads(curl(f"https://{LISTED}/"))["sni"] is None
    assert json.loads(curl(f"http://{LISTED}/"))["address"] == LISTED
    assert ground.trespasses() == []


@pytest.mark.parametrize(
    "arguments",
    [
        (f"http://{EVIL}/",),
        ("http://10.0.0.1/",),
        ("http://127.0.0.1/",),
        ("http://[::1]/",),
        ("http://[fd00::1]/",),
        ("http://169.254.169.254/latest/meta-data/",),
        (f"http://{GOOD}:8080/",),
        (f"http://{GOOD}/", "-H", "Host: evil.test"),
        (f"http://{GOOD}/forbidden", "-H", "Host: api.allowed.test"),
        (f"http://{GOOD}/", "-H", "Host: api.allowed.test", "-H", "Upgrade: websocket"),
        (f"http://{GOOD}:443/", "-H", "Host: api.allowed.test"),
        ("https://evil.test/", "--resolve", f"evil.test:443:{GOOD}"),
        ("https://blocked.allowed.test/", "--resolve", f"blocked.allowed.test:443:{GOOD}"),
        (f"https://{GOOD}/",),
    ],
    ids=" ".join,
)
def test_whoever_trespasses_is_seen(ground: Ground, curl: partial[str], arguments: tuple[str, ...]) -> None:
    assert '"address"' in curl(*arguments) or "101" in curl(*arguments, "-i")
    assert ground.trespasses() != []


def test_datagrams_are_seen(ground: Ground) -> None:
    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", (GOOD, 443))

    ground.inside(send)
    assert ground.peers.wait(lambda visits: any(visit.address == "datagram" for visit in visits))
    assert ground.trespasses() != []


def test_a_smuggled_request_is_seen(ground: Ground) -> None:
    with dial(ground, GOOD, 80) as stream:
        framing = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        first = b"POST / HTTP/1.1\r\nHost: api.allowed.test\r\n" + framing + b"\r\n0\r\n\r\n"
        stream.sendall(first + b"GET /forbidden HTTP/1.1\r\nHost: evil.test\r\n\r\n")
        assert ground.peers.wait(lambda visits: any(len(visit.requests) == 2 for visit in visits))
    assert [request.path for request in ground.peers.visits[0].requests] == ["/", "/forbidden"]
    assert ground.trespasses() != []


def test_the_end_of_a_connection_is_seen(ground: Ground) -> None:
    with dial(ground, GOOD, 80) as stream:
        stream.sendall(b"GET /hold HTTP/1.1\r\nHost: api.allowed.test\r\n\r\n")
        assert stream.recv(10)
        assert not ground.peers.visits[0].ended.is_set()
    assert ground.peers.wait(lambda visits: visits[0].ended.is_set())


def test_certificates_are_the_authoritys(ground: Ground, authority: Authority) -> None:
    def handshake(context: ssl.SSLContext, name: str) -> None:
        with dial(ground, GOOD, 443) as plain, context.wrap_socket(plain, server_hostname=name):
            pass

    handshake(authority.trusted(), "api.allowed.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.trusted(), "one.label.too-many.allowed.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ssl.create_default_context(), "api.allowed.test")


def ask(ground: Ground, name: str, kind: str = "A", *, tcp: bool = False) -> DNSRecord:
    question = DNSRecord.question(name, kind)
    return DNSRecord.parse(ground.inside(lambda: question.send(NAMESERVER, 53, tcp=tcp, timeout=20)))


def addresses(record: DNSRecord) -> list[str]:
    return [str(entry.rdata) for entry in record.rr]


def test_names_in_sequence(ground: Ground) -> None:
    assert [addresses(ask(ground, "rebind.allowed.test")) for _ in range(3)] == [[GOOD], ["10.0.0.1"], ["10.0.0.1"]]
    ground.begin()
    assert addresses(ask(ground, "ReBind.Allowed.test")) == [GOOD]
    assert addresses(ask(ground, "api.allowed.test", "AAAA")) == []
    assert addresses(ask(ground, "anything.evil.test")) == [EVIL]
    assert [entry.name for entry in ground.names.asked] == [
        "ReBind.Allowed.test",
        "api.allowed.test",
        "anything.evil.test",
    ]
    assert len(ground.trespasses()) == 1


def test_names_that_fail(ground: Ground) -> None:
    assert ask(ground, "nobody.allowed.test").header.rcode == 3
    assert ask(ground, "failing.allowed.test").header.rcode == 2
    with pytest.raises(OSError, match="timed out"):
        ground.inside(lambda: DNSRecord.question("silent.allowed.test").send(NAMESERVER, 53, timeout=0.2))


def test_aliases_and_long_answers(ground: Ground) -> None:
    assert addresses(ask(ground, "alias-private.allowed.test")) == ["inner.evil.test.", "10.0.0.1"]
    chain = ask(ground, "alias-chain.allowed.test").rr
    assert [str(one.rdata) for one in chain[:-1]] == [str(one.rname) for one in chain[1:]]
    assert ask(ground, "mixed-many.allowed.test").header.tc
    assert addresses(ask(ground, "mixed-many.allowed.test", tcp=True))[-1] == "10.0.0.1"
    assert {question.transport for question in ground.names.asked} == {"udp", "tcp"}


def test_other_kinds_of_questions_are_trespasses(ground: Ground) -> None:
    ask(ground, "api.allowed.test", "TXT")
    assert len(ground.trespasses()) == 1


def test_the_package_index(ground: Ground, curl: partial[str]) -> None:
    ground.peers.pages.update(package_index())
    page = curl("--resolve", f"pypi.allowed.test:443:{GOOD}", f"https://pypi.allowed.test/simple/{PACKAGE}/")
    assert PACKAGE.replace("-", "_") in page and "sha256=" in page
    assert ground.trespasses() == []


def test_the_repository(ground: Ground, everything: tuple[Ground, int], tmp_path: Path) -> None:
    ground.peers.pages.update(repository(tmp_path))
    url = f"http://{LISTED}/git/{NAME}"
    run_there(everything[1], "git", "clone", "--quiet", url, str(tmp_path / "clone"))
    assert (tmp_path / "clone" / FILE).read_text() == TEXT
    assert ground.trespasses() == []
