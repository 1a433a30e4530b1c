"""Executions that ask for another interpreter, or for one that has imported other modules."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codemode import AsyncCodemode, Codemode, ConfigError
from codemode.events import Finished
from codemode.integrations._core import CodeTool

SEEN = "import sys\n[sys.prefix, 'colorsys' in sys.modules]"


def make_interpreter(folder: Path, *packages: str) -> Path:
    """A virtual environment with packages that say which version they are, and no more."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    site = next((folder / "lib").iterdir()) / "site-packages"
    for package in packages:
        (site / f"{package}-1.5.dist-info").mkdir()
        (site / f"{package}.py").write_text(f"NAME = {package!r}\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    interpreter = make_interpreter(tmp_path_factory.mktemp("other") / "venv", "onlythere")
    other = {"name": "other", "interpreter": str(interpreter), "preload": ["onlythere"]}
    return {"guest": {"environments": [{"name": "colours", "preload": ["colorsys"]}, other]}}


@pytest.fixture(scope="module")
def client(policy: dict[str, Any]) -> Iterator[Codemode]:
    with Codemode.local(policy) as client:
        yield client


def test_each_execution_asks_for_its_own(client: Codemode, policy: dict[str, Any]) -> None:
    own = client.execute(SEEN).result
    other = str(Path(policy["guest"]["environments"][1]["interpreter"]).parents[1])
    assert own[1] is False
    assert client.execute(SEEN, environment="colours").result == [own[0], True]
    assert client.execute(SEEN, environment="other").result == [other, False]
    assert client.execute("import onlythere\nonlythere.NAME", environment="other").result == "onlythere"
    assert client.execute("import onlythere").error.error_type == "ModuleNotFoundError"  # type: ignore[union-attr]


def test_every_way_to_execute(client: Codemode, policy: dict[str, Any]) -> None:
    last = list(client.stream(SEEN, environment="colours"))[-1]
    assert isinstance(last, Finished) and last.result.result[1] is True
    assert CodeTool(client, None, {"environment": "colours"}).run(SEEN).values["result"][1] is True

    async def both() -> list[Any]:
        async with AsyncCodemode.local(policy) as other:
            streamed = [event async for event in other.stream(SEEN, environment="colours")][-1]
            assert isinstance(streamed, Finished)
            return [(await other.execute(SEEN, environment="colours")).result, streamed.result.result]

    assert [seen[1] for seen in asyncio.run(both())] == [True, True]


def test_what_a_model_is_told_is_about_that_one(client: Codemode) -> None:
    assert "onlythere 1.5" in client.prompt(environment="other")
    assert "onlythere" not in client.prompt() and client.prompt(environment="colours") == client.prompt()
    assert "onlythere 1.5" in CodeTool(client, None, {"environment": "other"}).code_description
    with pytest.raises(ConfigError, match='there is no environment "outher"; this executor has: colours, other'):
        client.prompt(environment="outher")


def test_one_that_there_is_not(client: Codemode) -> None:
    refused = client.execute("1", environment="colors")
    assert (refused.outcome, refused.exit_code) == ("rejected", None)
    assert "there is no environment `colors`; this executor has: colours, other" in str(refused)


def test_on_the_command_line(policy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(json.dumps(policy))
    (tmp_path / "code.py").write_text("import sys\nprint('colorsys' in sys.modules)")
    command = [Path(sys.executable).with_name("codemode"), "run", "code.py", "--config", "policy.yaml"]
    for more, said in ([], "False\n"), (["--environment", "colours"], "True\n"):
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, said), done.stderr
    unknown = [*command, "--environment", "no"]
    done = subprocess.run(unknown, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64 and "this executor has: colours, other" in done.stderr


def test_what_a_preloaded_module_does_at_its_end_is_done_in_no_rehearsal(tmp_path: Path) -> None:
    """One fork of the zygote rehearses and ends, outside of every sandbox: what it wrote would be on our stderr."""
    interpreter = make_interpreter(tmp_path / "venv", "leaver")
    module = next((tmp_path / "venv" / "lib").iterdir()) / "site-packages" / "leaver.py"
    module.write_text("import atexit, os\natexit.register(os.write, 2, b'left\\n')\nos.write(2, b'came\\n')\n")
    policy = {"guest": {"interpreter": str(interpreter), "preload": ["leaver"]}}
    code = f"from codemode import Codemode\nwith Codemode.local({policy!r}) as client: print(client.execute('1'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "came\n")
