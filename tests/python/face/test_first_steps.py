"""A client as it is made in the first minute: with the wrong argument, or with none."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from fake_native import NativeClient, NativeError, Run, ok

import codemode
from codemode import AsyncCodemode, Codemode

Native = type[NativeClient]


@pytest.mark.parametrize("client", [Codemode, AsyncCodemode])
def test_what_people_type_first(native: Native, client: Any, tmp_path: Path) -> None:
    client({"executor_url": "http://executor:8001"})
    assert native.created[0].url == "http://executor:8001"
    for address in ("http://executor:8001", tmp_path):
        with pytest.raises(
            codemode.ConfigError,
            match=r"pass ClientConfig\(executor_url=…\), or write Codemode.from_config\(path\) for a file",
        ):
            client(address)
    name = client.__name__
    for arguments, kind, message in (
        (
            {"executor_url": "x", "timeout": 5},
            codemode.ConfigError,
            f"write {name}(ClientConfig(executor_url=…, timeout",
        ),
        ({"policy": {}}, codemode.ConfigError, f"write {name}.local(…)"),
        ({"tools": []}, TypeError, "takes a configuration and registry=…, but got tools=…"),
    ):
        with pytest.raises(kind, match=re.escape(message)):
            client(**arguments)
    with pytest.raises(
        codemode.ConfigError, match="a client configuration must be a mapping of keys to values, got int"
    ):
        client(5)
    assert len(native.created) == 1


def test_a_default_client_comes_back_when_there_was_no_room(native: Native) -> None:
    attempts: list[int] = []

    def full(run: Run) -> Any:
        attempts.append(1)
        if len(attempts) < 3:
            raise NativeError("overloaded", "full", True, "e", "ExecutorOverloaded")
        return ok(4)

    native.script = staticmethod(full)
    assert Codemode().execute("2 + 2").result == 4
    attempts.clear()
    assert Codemode.local().execute("2 + 2").result == 4
    attempts.clear()
    assert asyncio.run(AsyncCodemode().execute("2 + 2")).result == 4
