"""What `codemode.prompt()` says of the network, carried out."""

from __future__ import annotations

from e2e.prompt_claims import claims_of
from network.conftest import Inside, only_root
from network.places import ALLOWED, BLOCKED, HTTP, LISTED_PORTS, UNLISTED_PORTS

pytestmark = only_root

REACHED = """
import urllib.request
def reached(url):
    try: return urllib.request.urlopen(url, timeout=20).status == 200
    except OSError: return False
"""


def test_what_the_prompt_says_of_the_network_holds(inside: Inside) -> None:
    claims = claims_of(inside.client.prompt())
    assert (claims.network, claims.domains, claims.blocked) == ("restricted", ALLOWED, BLOCKED)
    assert claims.ports == list(LISTED_PORTS)
    names = [domain.replace("*", "api") for domain in claims.domains if domain.endswith(".test")]
    listed = [f"{'http' if port == HTTP else 'https'}://{name}:{port}/" for name in names for port in claims.ports]
    others = [f"http://{domain.replace('*', 'deep')}/" for domain in claims.blocked]
    others += ["http://evil.test/", f"http://{names[0]}:{UNLISTED_PORTS[-1]}/"]
    assert inside.value(f"{REACHED}[reached(url) for url in {listed}]") == [True] * len(listed)
    assert inside.value(f"{REACHED}[reached(url) for url in {others}]") == [False] * len(others)
