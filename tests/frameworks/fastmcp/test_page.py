"""docs/frameworks/fastmcp.md does what it says."""

from __future__ import annotations

import asyncio
from typing import Any

from codemode import Codemode
from frameworks import pages


def test_the_blocks_run(ask: Any, monkeypatch: Any) -> None:
    server, program = pages.blocks("fastmcp")
    with Codemode() as client:
        monkeypatch.setattr("codemode.Codemode", lambda: client)  # one that ends with the test
        made = pages.run("fastmcp", server)
        assert asyncio.run(ask(made["server"], program)) == [7]
