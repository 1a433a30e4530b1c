"""Mode restricted with real clients: those that know proxies, and those that know of none."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest

from network.conftest import Inside, only_root
from network.package_index import PACKAGE, WORD
from network.pages import digest_of_blocks
from network.places import GOOD, LISTED
from network.repository import FILE, NAME, TEXT
from security.caged import ORDINARY_USER

pytestmark = only_root

CURL = """
import json, subprocess
def curl(*arguments):
    done = subprocess.run(['curl', '-sS', '--max-time', '20', *arguments], capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr]
"""
# Whatever says that there is a proxy, taken away: names are asked of the stub, connections captured.
NO_PROXY = "import os\nfor name in list(os.environ):\n    if name.lower().endswith('_proxy'): del os.environ[name]\n"
ROADS = pytest.mark.parametrize("road", ["", NO_PROXY], ids=["proxy", "captured"])
URLS = pytest.mark.parametrize(
    "url", ["http://api.allowed.test/echo?x=1", "https://api.allowed.test/echo?x=1", "https://exact.test:8443/echo?x=1"]
)


def check_echo(told: dict[str, Any], url: str) -> None:
    scheme, _, rest = url.partition("://")
    host, _, _ = rest.partition("/")
    name, _, port = host.partition(":")
    secure = scheme == "https"
    assert told["address"] == GOOD
    assert told["port"] == int(port or (443 if secure else 80))
    assert told["sni"] == (name if secure else None)
    assert told["target"] == "/echo?x=1"
    assert [value for key, value in told["headers"] if key.lower() == "host"] == [host]


def test_it_is_the_tier_that_it_is_called(inside: Inside, tier: str) -> None:
    isolation = inside.run("1").isolation
    assert isolation.tier == ("container" if tier == "container" else "full")
    assert any("egress proxy" in layer for layer in isolation.layers), isolation.layers
    assert os.stat(f"/proc/{inside.house.executor.pid}").st_uid == (ORDINARY_USER if tier == "rootless" else 0)


def test_the_environment_says_how(inside: Inside) -> None:
    environment = inside.value("import os\ndict(os.environ)")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert environment[name] == environment[name.lower()] == "http://127.0.0.1:3128"
    assert (environment["NODE_USE_ENV_PROXY"], environment["RES_OPTIONS"]) == ("1", "use-vc")
    bundles = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")
    assert len({environment[name] for name in (*bundles, "NODE_EXTRA_CA_CERTS")}) == 1
    count = "import ssl\nlen(ssl.create_default_context(cafile={!r}).get_ca_certs())"
    assert inside.value(count.format(environment["SSL_CERT_FILE"])) == 1


@ROADS
@URLS
def test_curl(inside: Inside, road: str, url: str) -> None:
    code, out, err = inside.value(f"{road}{CURL}curl({url!r})")
    assert code == 0, err
    check_echo(json.loads(out), url)


@ROADS
@URLS
def test_urllib(inside: Inside, road: str, url: str) -> None:
    read = "import json, urllib.request\n"
    check_echo(inside.value(f"{road}{read}json.load(urllib.request.urlopen({url!r}, timeout=20))"), url)


@ROADS
@URLS
def test_requests(inside: Inside, road: str, url: str) -> None:
    check_echo(inside.value(f"{road}import requests\nrequests.get({url!r}, timeout=20).json()"), url)


@ROADS
@URLS
def test_httpx(inside: Inside, road: str, url: str) -> None:
    check_echo(inside.value(f"{road}import httpx\nhttpx.get({url!r}, timeout=20).json()"), url)


@ROADS
@URLS
def test_asyncio(inside: Inside, road: str, url: str) -> None:
    code = f"""
import asyncio, httpx
async def main():
    async with httpx.AsyncClient(timeout=20) as client:
        return (await client.get({url!r})).json()
asyncio.run(main())
"""
    check_echo(inside.value(road + code), url)


def test_http_client_knows_no_proxy(inside: Inside) -> None:
    code = """
import http.client, json, ssl
seen = []
for connection in (http.client.HTTPConnection('api.allowed.test', timeout=20),
                   http.client.HTTPSConnection('api.allowed.test', timeout=20)):
    for number in range(3):
        connection.request('POST', f'/{number}', body='x' * number)
        seen.append(json.load(connection.getresponse()))
    connection.close()
seen
"""
    seen = inside.value(code)
    assert [one["target"] for one in seen] == ["/0", "/1", "/2"] * 2
    assert [one["body_length"] for one in seen] == [0, 1, 2] * 2
    assert [one["sni"] for one in seen] == [None] * 3 + ["api.allowed.test"] * 3


def test_asyncio_streams_know_no_proxy(inside: Inside) -> None:
    code = """
import asyncio
async def main():
    reader, writer = await asyncio.open_connection('api.allowed.test', 443, ssl=True)
    writer.write(b'GET /x HTTP/1.1\\r\\nHost: api.allowed.test\\r\\nConnection: close\\r\\n\\r\\n')
    answer = await reader.read()
    writer.close()
    return answer.decode()
asyncio.run(main())
"""
    assert '"sni": "api.allowed.test"' in inside.value(code)


def test_socks(inside: Inside) -> None:
    """With names, and with the listed address; curl asks the proxy to resolve."""
    for url in ("http://api.allowed.test/", "https://api.allowed.test/", f"http://{LISTED}/"):
        code, out, err = inside.value(f"{CURL}curl('-x', 'socks5h://127.0.0.1:3128', {url!r})")
        assert (code, '"address"' in out) == (0, True), err


@ROADS
def test_pip(inside: Inside, road: str) -> None:
    """Installs a pure wheel where code may write; what is installed can be imported."""
    code = f"""
import sys
from pip._internal.cli.main import main
index = ['--index-url', 'https://pypi.allowed.test/simple/', '--disable-pip-version-check', '--no-cache-dir', '-q']
codes = [main(['install', '--target', '/sandbox/packages', *index, {PACKAGE!r}]),
         main(['download', '--dest', '/sandbox/wheels', *index, {PACKAGE!r}])]
sys.path.insert(0, '/sandbox/packages')
import arena_probe, os
codes, arena_probe.WORD, os.listdir('/sandbox/wheels')
"""
    codes, word, wheels = inside.value(road + code)
    assert (codes, word) == ([0, 0], WORD)
    assert wheels == ["arena_probe-1.0-py3-none-any.whl"]


@ROADS
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_git(inside: Inside, road: str, scheme: str) -> None:
    code = f"""
import subprocess
done = subprocess.run(['git', 'clone', '--quiet', '{scheme}://git.allowed.test/git/{NAME}', '/sandbox/clone'],
                      capture_output=True, text=True)
done.returncode, done.stderr, open('/sandbox/clone/{FILE}').read() if done.returncode == 0 else None
"""
    assert inside.value(road + code) == (0, "", TEXT)


@ROADS
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("page", ["bytes", "chunked"])
def test_a_big_download_arrives_whole(inside: Inside, road: str, scheme: str, page: str) -> None:
    size = 48_000_001
    code = f"""
import hashlib, urllib.request
digest = hashlib.sha256()
with urllib.request.urlopen('{scheme}://api.allowed.test/{page}?count={size}', timeout=30) as answer:
    while block := answer.read(1 << 16): digest.update(block)
digest.hexdigest()
"""
    assert inside.value(road + code) == digest_of_blocks(size)


@ROADS
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_big_upload_arrives_whole(inside: Inside, road: str, scheme: str, chunked: bool) -> None:
    size = 24_000_000
    body = f"(bytes(1000) for _ in range({size // 1000}))" if chunked else f"bytes({size})"
    code = f"import requests\nrequests.put('{scheme}://api.allowed.test/up', data={body}, timeout=30).json()"
    told = inside.value(road + code)
    assert (told["body_length"], told["body_sha256"]) == (size, hashlib.sha256(bytes(size)).hexdigest())


@ROADS
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_is_kept(inside: Inside, road: str, scheme: str) -> None:
    code = f"""
import requests
with requests.Session() as session:
    targets = [session.get(f'{scheme}://api.allowed.test/{{n}}', timeout=20).json()['target'] for n in range(20)]
targets
"""
    assert inside.value(road + code) == [f"/{number}" for number in range(20)]
    visits = inside.house.ground.peers.visits
    assert sum(len(visit.requests) for visit in visits) == 20
    if scheme == "https":
        assert len(visits) == 1


@ROADS
def test_several_at_once(inside: Inside, road: str) -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
import requests
def get(number):
    scheme = 'https' if number % 2 else 'http'
    return requests.get(f'{scheme}://host{number}.allowed.test/{number}', timeout=30).json()['target']
with ThreadPoolExecutor(16) as pool:
    targets = list(pool.map(get, range(48)))
targets
"""
    assert inside.value(road + code) == [f"/{number}" for number in range(48)]


@ROADS
def test_a_listed_address(inside: Inside, road: str) -> None:
    """TLS there names no server, as an address is no name. Without a proxy there is no name to capture."""
    for scheme in ("http", "https"):
        code, out, err = inside.value(f"{CURL}curl('{scheme}://{LISTED}/')")
        assert (code, f'"address": "{LISTED}"' in out) == (0, True), err


def test_either_family(inside: Inside) -> None:
    for name in ("both", "v6only"):
        told = inside.value(f"import requests\nrequests.get('http://{name}.allowed.test/', timeout=20).json()")
        assert told["sni"] is None and told["port"] == 80


def test_a_slow_peer_is_waited_for(inside: Inside) -> None:
    text = inside.value("import requests\nrequests.get('https://api.allowed.test/slow?pieces=5', timeout=20).text")
    assert text == "".join(f"piece {number}\n" for number in range(5))


@ROADS
def test_redirects_among_what_is_listed(inside: Inside, road: str) -> None:
    code = (
        "import requests\nr = requests.get('https://api.allowed.test/redirect?to=http://exact.test/end', timeout=20)\n"
    )
    assert inside.value(f"{road}{code}[r.url, r.json()['target']]") == ["http://exact.test/end", "/end"]


def test_head_delete_and_empty_answers(inside: Inside) -> None:
    code = """
import requests
with requests.Session() as session:
    a = session.head('http://api.allowed.test/bytes?count=1000')
    b = session.delete('http://api.allowed.test/thing').json()
    c = session.options('http://api.allowed.test/thing').json()
a.headers['content-length'], a.content, b['method'], c['method']
"""
    assert inside.value(code) == ("1000", b"", "DELETE", "OPTIONS")


def test_a_connection_does_not_outlive_the_execution(inside: Inside) -> None:
    code = """
import socket, ssl
plain = socket.create_connection(('api.allowed.test', 443), 20)
tunnel = ssl.create_default_context().wrap_socket(plain, server_hostname='api.allowed.test')
tunnel.sendall(b'GET /hold HTTP/1.1\\r\\nHost: api.allowed.test\\r\\n\\r\\n')
tunnel.recv(100)
import os
os._exit(0)
"""
    inside.run(code)
    assert inside.house.ground.peers.wait(lambda visits: visits and all(visit.ended.is_set() for visit in visits))
