"""The container has no way to the host: deploy/compose/internal.yml and socket.yml."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterator

import pytest

from docker.conftest import Served, client
from docker.container import docker

# All at once, because silence takes its time. A missing route and silence both mean no.
_TRY = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
port, *addresses = sys.argv[1:]
def answers(address):
    try:
        socket.create_connection((address, int(port)), 3).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor() as pool:
    print(*(address for address, answer in zip(addresses, pool.map(answers, addresses)) if answer))
"""


@pytest.fixture
def listener() -> Iterator[int]:
    """A service of the host, on each of its addresses."""
    with socket.create_server(("", 0)) as server:
        yield server.getsockname()[1]


def test_the_executor_reaches_no_address_of_the_host(served: Served, listener: int) -> None:
    addresses = [_gateway_address("bridge"), *(_gateway_address(network) for network in _networks(served))]
    assert _reached(served.container.name, addresses, listener) == []


def test_the_same_attempt_succeeds_where_there_is_a_way(served: Served, listener: int) -> None:
    if served.container.gateway is None:
        assert docker("exec", served.container.name, "ls", "/sys/class/net").split() == ["lo"]
        return
    (outside,) = (network for network in _networks(served) if network.endswith("outside"))
    address = _gateway_address(outside)
    assert _reached(served.container.gateway, [address], listener) == [address]


def test_the_code_does_not_even_reach_its_own_executor(served: Served) -> None:
    family, address = ("AF_INET", ("127.0.0.1", 8001))
    if served.network == "socket":
        family, address = ("AF_UNIX", "/run/codemode/codemode.sock")
    attempt = f"import socket\nsocket.socket(socket.{family}).connect({address!r})"
    # As the container's own user, outside of any sandbox, it succeeds.
    docker("exec", served.container.name, "python3", "-c", attempt)
    with client(served.container) as codemode:
        result = codemode.execute(attempt)
    assert result.outcome == "error" and result.error and "connect" in result.error.traceback, str(result)


def test_tools_are_called_back_all_the_same(served: Served) -> None:
    with client(served.container, double=lambda value: value * 2) as codemode:
        result = codemode.execute("sum(tools['double'].run(value=n) for n in range(10))")
    assert result.result == 90, str(result)


def _reached(container: str, addresses: list[str], port: int) -> list[str]:
    return docker("exec", container, "python3", "-c", _TRY, str(port), *addresses).split()


def _networks(served: Served) -> list[str]:
    """Of the executor and of the gateway in front of it."""
    found: set[str] = set()
    for name in filter(None, (served.container.name, served.container.gateway)):
        (document,) = json.loads(docker("inspect", name))
        found |= {network for network in document["NetworkSettings"]["Networks"] if network != "none"}
    return sorted(found)


def _gateway_address(network: str) -> str:
    """The host's end of a network. Where it was given none, the address that it would have."""
    (document,) = json.loads(docker("network", "inspect", network))
    config = document["IPAM"]["Config"][0]
    return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))
