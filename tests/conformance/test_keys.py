"""Every configuration key by its effect: what an executor or a client does because of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import client_effects, policy_effects, sidecar_effects, ways
from conformance.apart import the_documents_are_there  # noqa: F401
from conformance.client_effects import Give, World
from conformance.executors import Executors, Side
from conformance.sidecar_effects import Serve


@pytest.fixture(scope="module", params=["client", "sidecar"])
def executors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executors]:
    side: Side = request.param
    made = Executors(side, tmp_path_factory.mktemp(side))
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("CODEMODE_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize("key", policy_effects.EFFECTS)
def test_of_the_policy(key: str, executors: Executors) -> None:
    """A client's file has the policy of its own executor, and an executor's file that of its own."""
    policy_effects.EFFECTS[key](executors)


def test_of_the_policy_in_its_other_places(executors: Executors) -> None:
    """Under `executor:`, and `security` for `execution`."""
    moved = executors({f"executor.{key}": value for key, value in policy_effects.BOUNDED.items()})
    fill = "kept = []\nwhile True: kept.append(open('/dev/null'))"
    assert "limits.open_files" in str(moved.execute(fill))
    assert "limits.max_code_length" in str(moved.execute("1".ljust(2001)))
    run = policy_effects.RUN
    for name in ("security.allowed_commands", "executor.execution.allowed_commands"):
        listed = executors({name: ["ls"]})
        assert listed.execute(run.format("ls")).result == 0
        assert "unauthorized_command: wc" in str(listed.execute(run.format("wc")))
    named = executors({"security.allow_direct_execution": True})
    assert named.execute("import subprocess\nsubprocess.__name__").result == "subprocess"


@pytest.mark.parametrize("key", client_effects.EFFECTS)
def test_of_the_client(key: str, world: World, clean: pytest.MonkeyPatch) -> None:
    """As an argument."""
    client_effects.EFFECTS[key](Give(key, "argument", key, world, clean))


@pytest.mark.parametrize(("key", "spelling"), ways.spellings("client", client_effects.EFFECTS))
def test_of_a_clients_file(key: str, spelling: str, world: World, clean: pytest.MonkeyPatch) -> None:
    """In every spelling."""
    client_effects.EFFECTS[key](Give(key, "file", spelling, world, clean))


@pytest.mark.parametrize(("key", "spelling"), ways.spellings("sidecar", sidecar_effects.EFFECTS))
def test_of_an_executors_file(key: str, spelling: str, tmp_path: Path) -> None:
    """In every spelling."""
    sidecar_effects.EFFECTS[key](Serve(key, "file", spelling, tmp_path))
