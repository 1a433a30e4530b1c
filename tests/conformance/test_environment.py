"""Every variable by its effect, which is that of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import client_effects, sidecar_effects, ways
from conformance.apart import the_documents_are_there  # noqa: F401
from conformance.client_effects import Give, World
from conformance.sidecar_effects import Serve
from conformance.test_keys import clean, world  # noqa: F401


@pytest.mark.parametrize(("key", "variable"), ways.variables("client"))
def test_of_the_client(key: str, variable: str, world: World, clean: pytest.MonkeyPatch) -> None:  # noqa: F811
    client_effects.EFFECTS[key](Give(key, "variable", variable, world, clean))


@pytest.mark.parametrize(("key", "variable"), ways.variables("sidecar"))
def test_of_an_executor(key: str, variable: str, tmp_path: Path) -> None:
    effects = sidecar_effects.EFFECTS | sidecar_effects.OF_THE_POLICY
    effects[key](Serve(key, "variable", variable, tmp_path))
