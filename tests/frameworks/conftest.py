"""No test of a framework leaves this machine: a framework that tries to fails the run."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

import pytest

_tried: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        address = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        address = arguments[1][0]
    else:
        return
    if not _is_here(address):
        _tried.append(f"{event} {address!r}")
        raise OSError(f"a test of a framework leaves this machine: {event} {address!r}")


def _is_here(address: Any) -> bool:
    name = address.decode("ascii", "replace") if isinstance(address, bytes) else address
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


sys.addaudithook(_watch)


@pytest.fixture(scope="session", autouse=True)
def nothing_leaves_the_machine() -> Iterator[None]:
    yield
    assert not _tried, _tried
