"""The little internet of the arena: which addresses there are, who lives there, and where nobody may arrive.

All of it is on `lo` of a namespace of its own. The addresses that a policy may allow look public, or they would be
refused for what they are; they belong to nobody who is reachable from there.
"""

from __future__ import annotations

NAMESERVER = "11.22.33.53"
# Whom the policy allows: by name (`*.allowed.test`, `exact.test`), and by an address that the policy lists.
GOOD, GOOD_V6, LISTED = "11.22.33.44", "2a00:1450:4001:81b::44", "11.22.33.45"
# Whom no policy here allows. Every name that the zone does not know leads there.
EVIL, EVIL_V6 = "11.22.33.66", "2a00:1450:4001:81b::66"
# A private address that one policy allows its names to lead to.
INTERNAL = "10.77.0.1"
# Never: private, shared, link-local, metadata and mapped spellings of them.
SPECIAL = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "198.18.0.1",
    "192.0.2.1",
    "fd00::1",
    "fd00:ec2::254",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
)
ON_LO = (NAMESERVER, GOOD, GOOD_V6, LISTED, EVIL, EVIL_V6, INTERNAL, *SPECIAL)

HTTP, HTTPS, HTTPS_TOO = 80, 443, 8443
# Somebody listens there; no policy here lists them.
UNLISTED_PORTS = (21, 22, 25, 853, 3306, 8001, 8080)
PORTS = (HTTP, HTTPS, HTTPS_TOO, *UNLISTED_PORTS)
LISTED_PORTS = (HTTP, HTTPS, HTTPS_TOO)
# Datagrams: NTP, QUIC, and names asked of anybody but the arena's own name server.
DATAGRAM_PORTS = (53, 123, 443)

ALLOWED = ["*.allowed.test", "exact.test", LISTED]
BLOCKED = ["blocked.allowed.test", "*.blocked.allowed.test"]

RESOLV_CONF = f"nameserver {NAMESERVER}\noptions timeout:2 attempts:2\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n10.0.0.1 hosts-file.allowed.test\n"


def is_allowed(name: str) -> bool:
    """By the rules above and nothing else: what the arena measures the product with."""
    labels = name.lower().removesuffix(".")
    if labels == "blocked.allowed.test" or labels.endswith(".blocked.allowed.test"):
        return False
    return labels == "exact.test" or labels.endswith(".allowed.test")
