"""Makes a network out of `lo`: addresses, and who answers for names. Standard library only, Python from 3.10 on."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from security.namespaces import only_loopback

NETLINK_ROUTE, NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR, RTM_NEWADDR = 0, 1, 4, 2, 20
IFA_ADDRESS, IFA_LOCAL, IFA_F_NODAD = 1, 2, 2


def assign(addresses: Iterable[str]) -> None:
    """Each address as a /32 or /128 on `lo`. Needs CAP_NET_ADMIN in the namespace of the thread that calls it.

    Before anything is done there: it has nothing but `lo`, so whatever follows can leave no machine.
    """
    only_loopback()
    index = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as route:
        for address in addresses:
            route.send(_new_address(ipaddress.ip_address(address), index))
            _acknowledged(route.recv(4096), address)


def _new_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address, index: int) -> bytes:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = struct.pack("=BBBBI", family, address.max_prefixlen, IFA_F_NODAD, 0, index)
    for kind in (IFA_LOCAL, IFA_ADDRESS):
        body += struct.pack("=HH", 4 + len(address.packed), kind) + address.packed
    return struct.pack("=IHHII", 16 + len(body), RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body


def _acknowledged(answer: bytes, address: str) -> None:
    _, kind, _, _, _ = struct.unpack_from("=IHHII", answer)
    (code,) = struct.unpack_from("=i", answer, 16)
    if kind != NLMSG_ERROR or code != 0:
        raise OSError(-code, f"{address} on lo: {os.strerror(-code)}")


def resolver_files(root: Path, resolv_conf: str, hosts: str) -> None:
    """What says in a root where names are asked for. A link there would lead out of it."""
    for name, text in (("resolv.conf", resolv_conf), ("hosts", hosts), ("nsswitch.conf", "hosts: files dns\n")):
        path = root / "etc" / name
        path.unlink(missing_ok=True)
        path.write_text(text)
