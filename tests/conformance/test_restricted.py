"""The YAML blocks about the network, against servers that the test starts in a namespace that has only `lo`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codemode import Codemode
from conformance.documents import Piece
from conformance.serving import Somewhere, moved
from network.authority import Authority
from network.bare_ground import bare_ground
from network.conftest import only_root
from network.ground import Ground
from network.places import GOOD

pytestmark = only_root

# All of them live where the namespace's own servers answer, so that a refusal is a decision and no failed look-up.
NAMES = (
    "api.github.com", "raw.deep.github.com", "github.com", "notgithub.com", "api.openai.com", "more.api.openai.com",
    "packages.example.org", "example.org", "malware.com", "your-domain.com", "www.your-domain.com",
)  # fmt: skip


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[int, Ground]]:
    with bare_ground() as near:
        ground = Ground(near, Authority())
        yield near, ground
        ground.close()


@dataclass
class Inside:
    """Code in the sandbox of an executor that has the printed file."""

    codemode: Codemode
    ground: Ground

    def reached(self, code: str) -> tuple[Any, set[str]]:
        """What the code returns, and whom it visited: by the names that the servers heard."""
        self.ground.begin()
        result = self.codemode.execute(code)
        assert result.success, str(result)
        visits = self.ground.peers.visits
        hosts = {host for visit in visits for request in visit.requests for host in request.all("host")}
        return result.result, hosts | {visit.sni for visit in visits if visit.sni}


Configure = Callable[[str], AbstractContextManager[Inside]]


@pytest.fixture(params=["as printed", "moved"])
def configured(request: pytest.FixtureRequest, ground: tuple[int, Ground], tmp_path: Path) -> Configure:
    near, servers = ground
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{GOOD} {' '.join(NAMES)}\n")
    config = tmp_path / "codemode.yaml"

    @contextmanager
    def make(text: str) -> Iterator[Inside]:
        config.write_text(moved(text) if request.param == "moved" else text)
        with Somewhere.on(near, hosts).client(config) as codemode:
            yield Inside(codemode, servers)

    return make


def by_curl(urls: list[str]) -> str:
    return f"""
import subprocess
def status(url):
    words = ['curl', '-sko', '/dev/null', '-w', '%{{http_code}}', '--max-time', '20', url]
    return subprocess.run(words, capture_output=True, text=True).stdout
[status(url) for url in {urls}]
"""


def by_requests(urls: list[str]) -> str:
    """Without a check of certificates, as the servers' authority is unknown here; who is reached is what counts."""
    return f"""
import requests, warnings
warnings.simplefilter('ignore')
def status(url):
    try: return requests.get(url, timeout=20, verify=False).status_code
    except requests.exceptions.ConnectionError: return 'ConnectionError'
[status(url) for url in {urls}]
"""


def test_advanced_configuration(piece: Piece, configured: Configure) -> None:
    allowed = ["api.github.com", "raw.deep.github.com", "api.openai.com", "packages.example.org"]
    refused = ["notgithub.com", "more.api.openai.com", "example.org", "malware.com"]
    with configured(piece.text) as inside:
        for scheme, refusal in (("http", "403"), ("https", "000")):
            codes, visited = inside.reached(by_curl([f"{scheme}://{name}/" for name in [*allowed, *refused]]))
            assert codes == ["200"] * len(allowed) + [refusal] * len(refused)
            assert visited == set(allowed)


def test_network_control(piece: Piece, configured: Configure) -> None:
    """Wildcard patterns, an exact name, and an explicit block, by clients of Python."""
    allowed = ["api.github.com", "api.openai.com"]
    refused = ["github.com", "more.api.openai.com", "malware.com", "packages.example.org"]
    with configured(piece.text) as inside:
        for scheme, refusal in (("http", 403), ("https", "ConnectionError")):
            codes, visited = inside.reached(by_requests([f"{scheme}://{name}/" for name in [*allowed, *refused]]))
            assert codes == [200] * len(allowed) + [refusal] * len(refused)
            assert visited == set(allowed)
    # The printed block names what no pattern of its own allows. Of what one does, it is the stronger.
    with configured(piece.text.replace('"malware.com"', '"api.github.com"')) as inside:
        urls = ["http://api.github.com/", "http://raw.deep.github.com/"]
        assert inside.reached(by_requests(urls)) == ([403, 200], {"raw.deep.github.com"})


def test_an_allowed_domain(piece: Piece, configured: Configure) -> None:
    """The documented way out of `requests.exceptions.ConnectionError`."""
    with configured(piece.text) as inside:
        urls = ["http://your-domain.com/", "https://your-domain.com/", "http://malware.com/"]
        assert inside.reached(by_requests(urls)) == ([200, 200, 403], {"your-domain.com"})
