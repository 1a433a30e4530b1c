"""network.mode restricted in real containers: a service that is allowed by name, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker import engine
from docker.conftest import Started, client
from docker.container import Container, docker
from docker.engine import Setup

ALLOWED, OTHER = "api.internal.test", "other.internal.test"
# Each way that code can take, and what came of it.
_TRY = """
import http.client, socket, urllib.request
def attempt(way):
    try:
        return way()
    except OSError as error:
        return type(error).__name__
def direct(host):
    # Without the proxy: the stub resolver answers, and the port is captured.
    connection = http.client.HTTPConnection(host, 80, timeout=20)
    connection.request("GET", "/")
    return connection.getresponse().status
def proxied(host):
    return urllib.request.urlopen(f"http://{host}/", timeout=20).status
def raw(address):
    with socket.create_connection((address, 80), 5) as connection:
        connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return "answered" if connection.recv(100) else "closed"
result = [attempt(lambda: way(host)) for way in (direct, proxied) for host in context["hosts"]]
result += [attempt(lambda: raw(address)) for address in context["addresses"]]
result.append(attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
"""


@pytest.fixture
def restricted(setup: Setup, start: Started, tmp_path: Path) -> Iterator[tuple[Container, str]]:
    """The executor, and the address of a service on its network that answers to both names."""
    policy = {
        "host": "0.0.0.0",
        "network": {
            "mode": "restricted", "allowed_domains": [ALLOWED],
            # The engine's networks are private.
            "allowed_networks": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        },
        "filesystem": {
            "workspace": {"mount": "/workspace"}, "outputs": {"mount": "/outputs"},
        },
    }  # fmt: skip
    config = tmp_path / "codemode.yaml"
    config.write_text(json.dumps(policy))
    container = start(config=config, network="published")
    (network,) = container.inspect()["NetworkSettings"]["Networks"]
    aliases = [word for name in (ALLOWED, OTHER) for word in ("--network-alias", name)]
    command = [
        "run", "--detach", "--rm", "--user", "0", "--network", network, *aliases, "--entrypoint", "python3",
        engine.image(), "-m", "http.server", "80",
    ]  # fmt: skip
    service = docker(*command).strip()
    try:
        (document,) = json.loads(docker("inspect", service))
        yield container, document["NetworkSettings"]["Networks"][network]["IPAddress"]
    finally:
        docker("rm", "--force", service)


def test_only_the_allowed_name_is_reached(restricted: tuple[Container, str]) -> None:
    container, address = restricted
    # Outside of any sandbox the container reaches the service, and the executor itself.
    for host, port in ((OTHER, 80), (address, 80), ("127.0.0.1", 8001)):
        docker("exec", container.name, "python3", "-c", _patient_connect(host, port))
    with client(container) as codemode:
        context = {"hosts": [ALLOWED, OTHER], "addresses": [address, "127.0.0.11", "127.0.0.1"]}
        result = codemode.execute(_TRY, context=context)
    assert result.success, str(result)
    *named, datagram = result.result
    assert (named[:4], datagram) == ([200, "gaierror", 200, "HTTPError"], "PermissionError"), str(result)
    assert "answered" not in named[4:], str(result)
    said = [violation.detail for violation in result.violations if violation.source == "supervisor"]
    assert any(detail.startswith(f"{OTHER}:80 is refused") for detail in said), said


def _patient_connect(host: str, port: int) -> str:
    return f"""
import socket, time
for _ in range(100):
    try:
        socket.create_connection(({host!r}, {port}), 5).close()
        break
    except OSError as error:
        last = error
        time.sleep(0.1)
else:
    raise last
"""
