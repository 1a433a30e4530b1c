"""Every variable by its effect, which is that of its key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance import client_effects, sidecar_effects, ways
from conformance.apart import the_documents_are_there  # noqa: F401
from conformance.client_effects import Give, World, answers
from conformance.sidecar_effects import ANYWHERE, Serve
from conformance.test_keys import clean, world  # noqa: F401


@pytest.mark.parametrize(("key", "variable"), ways.variables("client"))
def test_of_the_client(key: str, variable: str, world: World, clean: pytest.MonkeyPatch) -> None:  # noqa: F811
    client_effects.EFFECTS[key](Give(key, "variable", variable, world, clean))


@pytest.mark.parametrize(("key", "variable"), ways.variables("sidecar"))
def test_of_an_executor(key: str, variable: str, tmp_path: Path) -> None:
    effects = sidecar_effects.EFFECTS | sidecar_effects.OF_THE_POLICY
    effects[key](Serve(key, "variable", variable, tmp_path))


def test_a_filter_for_the_log(tmp_path: Path) -> None:
    """It wins over the level."""
    with Serve("log_level", "file", "log_level", tmp_path)(
        {**ANYWHERE, "log_level": "warn"}, CODEMODE_LOG="codemode_server=debug,info"
    ) as served:
        assert answers(served.client())
        served.process.terminate()
        assert served.log.says(" stopped", 60) and "execution admitted" in served.log()


def test_the_interpreter_of_the_environment(tmp_path: Path) -> None:
    """The policy's is the stronger."""
    folders = [tmp_path / name for name in ("one", "two")]
    one, two = (folder / "bin" / "python" for folder in folders)
    for folder in folders:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    for policy, expected in (({}, folders[0]), ({"guest.interpreter": str(two)}, folders[1])):
        serve = Serve("log_level", "file", "log_level", tmp_path)
        with serve({**ANYWHERE, **policy}, CODEMODE_GUEST_INTERPRETER=str(one)) as served, served.client() as client:
            assert client.execute("import sys\nsys.prefix").result == str(expected)
