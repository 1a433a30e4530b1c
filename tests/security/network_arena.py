"""An arena with a little internet around the executor: whoever arrives where no policy allows it has escaped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from network.housing import RESTRICTED, House, house
from network.naive_egress import NaiveEgress
from security.arena import Arena, Trial
from security.caged import ORDINARY, Guest
from security.canaries import Canaries
from security.housing import canaries_near
from security.programs import Program

# Below what the programs about it try to move.
MAX_BYTES = 64 << 20


class NetworkArena(Arena):
    beside = f"__import__('socket').getaddrinfo('mine.allowed.test', 80)\n{Arena.beside}"

    def __init__(self, where: House, canaries: Canaries) -> None:
        self.ground, self.audit = where.ground, where.audit
        super().__init__(where.executor, canaries, where.workspace)

    def _warm(self) -> None:
        """The executor keeps its connections to name servers; the second name needs one by TCP."""
        for name in ("api", "mixed-many"):
            self.client.execute(f"import urllib.request\nurllib.request.urlopen('http://{name}.allowed.test/')")
        super()._warm()

    def run(self, program: Program, before: str = "") -> Trial:
        self.ground.begin()
        trial = super().run(program, before)
        trial.visited += self.ground.trespasses()
        return trial


@contextmanager
def network_arena(tier: str, *, walls: bool = True, guest: Guest = ORDINARY) -> Iterator[NetworkArena]:
    """Without the walls of the network: mode all, and where the proxy would be is one that asks nobody."""
    network: dict[str, Any] = RESTRICTED | {"max_bytes": MAX_BYTES} if walls else {"mode": "all"}
    at_once = 1 if tier == "container" else 2
    with ExitStack() as stack:
        where = stack.enter_context(
            house(tier, network, commands=[], packages=(), guest=guest, max_concurrent_executions=at_once)
        )
        if not walls:
            stack.callback(NaiveEgress(where.ground).close)
        canaries = stack.enter_context(canaries_near(where.executor, where.home.name, where.workspace))
        arena = NetworkArena(where, canaries)
        stack.callback(arena.close)
        yield arena
