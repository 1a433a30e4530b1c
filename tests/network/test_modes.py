"""The other modes, policies of another kind, and what a client may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codemode import ConfigError
from network.conftest import Enter, only_root
from network.housing import RESTRICTED, House, house
from network.places import EVIL, EVIL_V6, GOOD, INTERNAL
from network.test_clients import CURL, NO_PROXY

pytestmark = only_root


@pytest.fixture(scope="module")
def unrestricted(tier: str) -> Iterator[House]:
    with house(tier, {"mode": "all"}) as made:
        yield made


@pytest.fixture(scope="module")
def without(tier: str) -> Iterator[House]:
    with house(tier, {"mode": "none"}) as made:
        yield made


@pytest.fixture(scope="module")
def small(tier: str) -> Iterator[House]:
    """Private names are allowed, and every limit is low."""
    more = {"allowed_networks": ["10.77.0.0/16"], "max_connections": 4, "max_bytes": 3 << 20, "idle_timeout": 1}
    with house(tier, RESTRICTED | more) as made:
        yield made


def test_all_reaches_what_the_executor_reaches(unrestricted: House, enter: Enter) -> None:
    inside = enter(unrestricted)
    code = f"""
import json, urllib.request
{CURL}
urls = ['http://evil.test/', 'https://api.allowed.test/', 'http://{EVIL}:8080/', 'http://127.0.0.1/', 'http://10.0.0.1/']
seen = [json.load(urllib.request.urlopen(url, timeout=20))['address'] for url in urls]
seen.append(json.loads(curl('http://[::1]/')[1])['address'])
seen
"""
    first, *others = inside.value(code)
    assert first in (EVIL, EVIL_V6)
    assert others == [GOOD, EVIL, "127.0.0.1", "10.0.0.1", "::1"]
    assert {question.name for question in unrestricted.ground.names.asked} == {"evil.test", "api.allowed.test"}


def test_all_has_datagrams(unrestricted: House, enter: Enter) -> None:
    inside = enter(unrestricted)
    inside.value(
        f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'x', ('{GOOD}', 443))"
    )
    assert unrestricted.ground.peers.wait(lambda visits: any(visit.address == "datagram" for visit in visits))


def test_all_has_no_proxy(unrestricted: House, enter: Enter) -> None:
    names = enter(unrestricted).value("import os\n[name for name in os.environ if name.lower().endswith('_proxy')]")
    assert names == []


def test_none_reaches_nothing(without: House, enter: Enter) -> None:
    code = f"""
import socket, requests
{CURL}
seen = [curl('-m', '5', url)[0] for url in ('http://{GOOD}/', 'https://api.allowed.test/', 'http://127.0.0.1/')]
for family, kind in ((2, 1), (2, 2), (10, 1)):
    try: socket.socket(family, kind)
    except OSError as error: seen.append(type(error).__name__)
try: requests.get('http://api.allowed.test/')
except requests.exceptions.ConnectionError: seen.append('ConnectionError')
seen
"""
    seen = enter(without).value(code)
    assert all(code != 0 for code in seen[:3]), seen
    assert seen[3:] == ["PermissionError"] * 3 + ["ConnectionError"], seen
    assert (without.ground.names.asked, without.ground.peers.visits) == ([], [])


def test_private_networks_that_the_policy_names(small: House, enter: Enter) -> None:
    inside = enter(small)
    get = "requests.get('http://{}.allowed.test/', timeout=20)"
    told = inside.value(f"import requests\n{get.format('internal')}.json()")
    assert told["address"] == INTERNAL
    for name in ("ten", "loopback", "metadata"):
        assert inside.value(f"import requests\n{get.format(name)}.status_code") == 403
    assert small.ground.trespasses(INTERNAL) == []


def test_the_limit_on_bytes(small: House, enter: Enter) -> None:
    """Both directions count, whatever carries them, and nothing more can be had once they are spent."""
    for road in ("", NO_PROXY):
        for url in ("http://api.allowed.test/endless", "https://api.allowed.test/endless"):
            inside = enter(small)
            code = f"""
import urllib.request
got, again = 0, None
try:
    with urllib.request.urlopen('{url}', timeout=20) as answer:
        while block := answer.read(1 << 14): got += len(block)
except Exception as error: pass
try: again = urllib.request.urlopen('http://api.allowed.test/', timeout=20).status
except Exception as error: again = type(error).__name__
got, again
"""
            result = inside.run(road + code)
            got, again = result.result
            assert got <= 3 << 20, (url, got)
            assert again != 200, (url, again)
            assert any("max_bytes" in violation.detail for violation in result.violations), result.violations


def test_the_limit_on_connections(small: House, enter: Enter) -> None:
    """Those that there are go on, those beyond are refused, and one that ends makes room."""
    inside = enter(small)
    code = """
import socket
def get(target):
    s = socket.create_connection(('127.0.0.1', 3128), 20)
    s.sendall(b'GET http://api.allowed.test' + target + b' HTTP/1.1\\r\\nHost: api.allowed.test\\r\\n\\r\\n')
    return s, s.recv(4096)
held = [get(b'/hold') for _ in range(4)]
_, beyond = get(b'/x')
held.pop()[0].close()
import time
for _ in range(200):
    _, room = get(b'/x')
    if b'200 OK' in room: break
    time.sleep(0.01)
[answer.split(b'\\r\\n')[0].decode() for _, answer in held], beyond.decode()[:200], room.decode()[:40]
"""
    result = inside.run(code)
    assert result.success, result.error
    held, beyond, room = result.result
    assert held == ["HTTP/1.1 200 OK"] * 3
    assert "200 OK" not in beyond
    assert "200 OK" in room
    assert any("max_connections" in violation.detail for violation in result.violations), result.violations
    assert small.ground.trespasses() == []


def test_the_limit_on_silence(small: House, enter: Enter) -> None:
    inside = enter(small)
    code = """
import requests
try: requests.get('https://api.allowed.test/hold', timeout=30).content; answer = 'ended'
except requests.exceptions.RequestException as error: answer = type(error).__name__
answer
"""
    assert inside.value(code) in ("ChunkedEncodingError", "ConnectionError")
    assert small.ground.peers.wait(lambda visits: visits and all(visit.ended.is_set() for visit in visits))


def test_a_client_may_ask_for_less(tier: str, enter: Enter) -> None:
    with house(tier, RESTRICTED) as made:
        inside = enter(made, network={"mode": "restricted", "allowed_domains": ["exact.test"]})
        names = "('exact.test', 'api.allowed.test')"
        code = f"import requests\n[requests.get(f'http://{{name}}/').status_code for name in {names}]"
        assert inside.value(code) == [200, 403]
        inside = enter(made, network={"mode": "none"})
        assert inside.run("import socket\nsocket.socket()").error.error_type == "PermissionError"
        inside = enter(made)
        assert inside.value("import requests\nrequests.get('http://api.allowed.test/').status_code") == 200


@pytest.mark.parametrize(
    "network",
    [
        {"mode": "all"},
        {"mode": "restricted", "allowed_domains": ["evil.test"]},
        {"mode": "restricted", "allowed_domains": ["*.test"]},
    ],
    ids=str,
)
def test_a_client_may_not_ask_for_more(tier: str, enter: Enter, network: dict[str, object]) -> None:
    with house(tier, RESTRICTED) as made, pytest.raises(ConfigError, match=r"network\."):
        enter(made, network=network).run("1")
