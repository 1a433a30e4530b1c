"""One daemon a module and tier; everything that a test saw is forgotten before the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from codemode import Codemode, ExecutionResult
from network.housing import ALSO, KINDS, RESTRICTED, House, house

only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make the arena; the main run does")


@pytest.fixture(scope="module", params=[*KINDS, *ALSO])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def restricted(tier: str) -> Iterator[House]:
    with house(tier, RESTRICTED) as made:
        yield made


class Inside:
    """Runs code in a house's sandbox."""

    def __init__(self, where: House, client: Codemode) -> None:
        self.house, self.client = where, client

    def run(self, code: str) -> ExecutionResult:
        return self.client.execute(code)

    def value(self, code: str) -> Any:
        """Of code that nothing goes wrong in."""
        result = self.run(code)
        assert result.success, f"{result.error}\n{result.stdout}\n{result.stderr}\n{self.house.executor.log()[-2000:]}"
        return result.result


Enter = Callable[..., Inside]


@pytest.fixture
def enter() -> Iterator[Enter]:
    """`enter(house, **what of the policy the client asks for)`: with nothing seen yet."""
    with ExitStack() as stack:

        def make(where: House, **policy: Any) -> Inside:
            where.ground.begin()
            client = where.client(policy or None)
            stack.callback(client.close)
            return Inside(where, client)

        yield make


@pytest.fixture
def inside(restricted: House, enter: Enter) -> Iterator[Inside]:
    """In mode restricted; nothing that no policy allows may have happened when the test ends."""
    yield enter(restricted)
    assert restricted.ground.trespasses() == []
