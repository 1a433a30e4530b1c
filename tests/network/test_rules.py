"""What mode restricted refuses, how it says so, and where that is written down."""

from __future__ import annotations

from typing import Any

import pytest

from network.conftest import Inside, only_root
from network.places import EVIL, GOOD
from network.test_clients import CURL, NO_PROXY

pytestmark = only_root

NOT_LISTED = ["evil.test", "allowed.test", "notallowed.test", "api.allowed.test.evil.test", "evil-allowed.test"]
BLOCKED = ["blocked.allowed.test", "deep.blocked.allowed.test", "BLOCKED.allowed.test."]


def violations(result: Any) -> list[str]:
    told = [v for v in result.violations if v.kind == "unauthorized_network"]
    assert all(violation.source == "supervisor" for violation in told), told
    return [violation.detail for violation in told]


def saw(inside: Inside, road: str) -> bool:
    """Whether the executor hears of it: in its own namespace the kernel knows no way to an address, and asks nobody."""
    return road == "" or inside.house.executor.tier == "container"


@pytest.mark.parametrize("host", [*NOT_LISTED, *BLOCKED])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_refused_by_the_proxy(inside: Inside, host: str, scheme: str) -> None:
    result = inside.run(f"{CURL}curl('-i', '{scheme}://{host}/')")
    code, out, err = result.result
    listed = "network.blocked_domains" if host in BLOCKED else "network.allowed_domains"
    if scheme == "http":
        assert (code, out.split(" ")[1]) == (0, "403"), (out, err)
        assert listed in out
    else:
        assert (code, "403" in err) == (56, True), (code, err)
    assert len(violations(result)) == 1
    assert host.lower().rstrip(".") in violations(result)[0]
    assert inside.house.ground.names.asked == []


@pytest.mark.parametrize("host", [*NOT_LISTED, *BLOCKED])
def test_refused_by_the_resolver(inside: Inside, host: str) -> None:
    result = inside.run(f"{NO_PROXY}{CURL}curl('https://{host}/')")
    assert result.result[0] == 6, result.result  # could not resolve host
    assert any(host.lower().rstrip(".") in detail for detail in violations(result)), result.violations
    assert inside.house.ground.names.asked == []


@pytest.mark.parametrize("port", [22, 25, 8080])
def test_ports(inside: Inside, port: int) -> None:
    for road in ("", NO_PROXY):
        result = inside.run(f"{road}{CURL}curl('-i', 'http://api.allowed.test:{port}/')")
        code, out, _ = result.result
        assert code == 7 if road else "403" in out, result.result
        if saw(inside, road):
            assert f":{port}" in violations(result)[0]


@pytest.mark.parametrize("road", ["", NO_PROXY], ids=["proxy", "captured"])
def test_addresses(inside: Inside, road: str) -> None:
    for host in (GOOD, EVIL, "10.0.0.1", "169.254.169.254"):
        result = inside.run(f"{road}{CURL}curl('-i', 'http://{host}/')")
        assert result.result[0] == 7 if road else "403" in result.result[1], result.result
        if saw(inside, road):
            assert host in violations(result)[0]


@pytest.mark.parametrize(
    "name",
    [
        "ten",
        "home",
        "shared",
        "metadata",
        "wireserver",
        "loopback",
        "loopback-far",
        "unspecified",
        "broadcast",
        "benchmark",
        "documentation",
        "v6-loopback",
        "v6-unspecified",
        "v6-unique-local",
        "v6-metadata",
        "v6-mapped",
        "v6-mapped-loopback",
        "v6-nat64",
        "v6-6to4",
        "mixed",
        "mixed-bad-first",
        "mixed-loopback",
        "mixed-v6",
        "mixed-v6-loopback",
        "mixed-many",
        "alias-private",
        "alias-localhost",
        "alias-chain",
        "internal",
    ],
)
def test_allowed_names_that_lead_where_nothing_may_go(inside: Inside, name: str) -> None:
    for scheme in ("http", "https"):
        result = inside.run(f"{CURL}curl('-i', '{scheme}://{name}.allowed.test/')")
        code, out, err = result.result
        assert "403" in (out if scheme == "http" else err), (code, out, err)
        assert f"{name}.allowed.test" in violations(result)[0]
    result = inside.run(f"{NO_PROXY}{CURL}curl('-i', 'https://{name}.allowed.test/')")
    assert result.result[0] != 0 and result.result[1] == "", result.result
    assert f"{name}.allowed.test" in violations(result)[-1]


@pytest.mark.parametrize("name", ["nobody", "empty", "silent", "failing", "alias-loop"])
def test_names_without_an_answer(inside: Inside, name: str) -> None:
    """The proxy says so; nothing hangs."""
    result = inside.run(f"{CURL}curl('-i', 'http://{name}.allowed.test/')")
    code, out, _ = result.result
    assert (code, out.split(" ")[1][0]) in ((0, "5"), (0, "4")), result.result


def test_the_documented_error(inside: Inside) -> None:
    """The seeds' "Network Access Denied"."""
    result = inside.run("import requests\nrequests.get('https://evil.test/', timeout=20)")
    assert (result.outcome, result.error.error_type) == ("error", "ProxyError")
    code = """
import requests
try: requests.get('https://evil.test/', timeout=20)
except requests.exceptions.ConnectionError: result = 'caught'
"""
    result = inside.run(code)
    assert result.result == "caught"
    result = inside.run(f"{NO_PROXY}import requests\nrequests.get('http://evil.test/', timeout=20)")
    assert (result.outcome, result.error.error_type) == ("error", "ConnectionError")


@pytest.mark.parametrize("road", ["", NO_PROXY], ids=["proxy", "captured"])
def test_redirects_to_what_is_not_listed(inside: Inside, road: str) -> None:
    for target in ("http://evil.test/", "https://evil.test/", "http://10.0.0.1/", "http://169.254.169.254/latest/"):
        result = inside.run(f"{road}{CURL}curl('-iL', 'https://api.allowed.test/redirect?to={target}')")
        # The kernel alone refuses an address where there is no proxy to ask.
        assert violations(result) or (road and target.startswith("http://1")), result.result


def test_every_decision_is_audited(inside: Inside) -> None:
    code = f"""
{CURL}
curl('http://api.allowed.test/')
curl('https://api.allowed.test/')
curl('https://evil.test/')
curl('-x', 'socks5h://127.0.0.1:3128', 'https://blocked.allowed.test/')
curl('--noproxy', '*', 'https://exact.test/')
curl('--noproxy', '*', 'https://evil.test/')
curl('--noproxy', '*', 'http://127.9.9.9/')
"""
    result = inside.run(code)
    lines = inside.house.audited(result.execution_id)
    seen = {(line["decision"], line["host"], line["port"], line["via"], line["reason"]) for line in lines}
    direct = {"full": "captured", "container": "direct"}[inside.house.executor.tier]
    assert seen >= {
        ("allow", "api.allowed.test", 80, "http", "allowed"),
        ("allow", "api.allowed.test", 443, "connect", "allowed"),
        ("deny", "evil.test", 443, "connect", "not_listed"),
        ("deny", "blocked.allowed.test", 443, "socks5", "blocked"),
        ("allow", "exact.test", 443, "captured", "allowed"),
        ("deny", "127.9.9.9", 80, direct, "direct"),
    }, seen
    assert any(line["decision"] == "deny" and line["via"] == "dns" and line["host"] == "evil.test" for line in lines)
    denied = [line for line in lines if line["decision"] == "deny"]
    assert len(violations(result)) == len(denied), (result.violations, denied)


def test_the_stub_answers_nothing_but_addresses_of_its_own(inside: Inside) -> None:
    code = """
import socket
def ask(name, family):
    try: return sorted({entry[4][0] for entry in socket.getaddrinfo(name, 443, family, socket.SOCK_STREAM)})
    except OSError as error: return error.errno
[*(ask('api.allowed.test', family) for family in (2, 10, 0)), ask('evil.test', 0), ask('localhost', 2)]
"""
    v4, v6, either, refused, local = inside.value(code)
    assert v4 == either and len(v4) == 1 and v4[0].startswith("127."), v4
    assert isinstance(v6, int) and isinstance(refused, int)
    assert local == ["127.0.0.1"]
    assert inside.house.ground.names.asked == []
