"""`codemode init`, `validate` and `config schema`: from an empty folder to an answer."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from codemode import Codemode
from codemode.config import ConfigLoader
from e2e.daemon import CODEMODE, KEY, Daemon

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}


def codemode(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [str(CODEMODE), *arguments]
    return subprocess.run(
        words, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT | variables, timeout=120, check=False
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    done = codemode(tmp_path, "init")
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


def test_what_init_writes_serves(written: Path) -> None:
    done = codemode(written, "validate", CODEMODE_API_KEY=KEY)
    assert (done.returncode, done.stderr) == (0, "")
    assert "codemode-sidecar.yaml: valid: executor on 127.0.0.1:8001, without TLS, with an API key" in done.stdout
    # As it is, but for the port, which a test may not have to itself.
    policy = (written / "codemode-sidecar.yaml").read_text()
    with Daemon(written, policy) as daemon:
        variables = {"CODEMODE_EXECUTOR_URL": daemon.url, "CODEMODE_EXECUTOR_API_KEY": KEY}
        (written / "job.py").write_text("result = 6 * 7\n")
        done = codemode(written, "run", "job.py", "--config", "codemode-client.yaml", **variables)
        assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_what_init_writes_is_the_clients_configuration(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written)
    assert ConfigLoader.load_client_config().executor_url is None
    assert ConfigLoader.load_sidecar_config().port == 8001
    with Codemode.from_client_config(config_path=written / "codemode-client.yaml") as client:
        assert client.execute("6 * 7").result == 42


def test_nothing_is_overwritten(written: Path) -> None:
    (written / "codemode-client.yaml").unlink()
    mine = written / "codemode-sidecar.yaml"
    mine.write_text("port: 9\n")
    done = codemode(written, "init")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "codemode: codemode-sidecar.yaml is there already; --force replaces it\n"
    assert mine.read_text() == "port: 9\n" and not (written / "codemode-client.yaml").exists()
    assert codemode(written, "init", "--force").returncode == 0
    assert "\nport: 8001\n" in mine.read_text()


@pytest.mark.parametrize("command", [("validate",), ("config", "check")])
def test_validate_says_where_and_what(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "codemode.yaml").write_text("limits:\n  memory_limt: 1g\nprot: 1\n")
    done = codemode(tmp_path, *command)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.splitlines() == [
        "codemode: configuration:",
        "  codemode.yaml:2: limits.memory_limt: unknown key; did you mean `memory_limit`?",
        "  codemode.yaml:3: prot: unknown key; did you mean `port`?",
    ]
    document = json.loads(codemode(tmp_path, *command, "--json").stdout)
    assert [problem["line"] for problem in document["files"][0]["problems"]] == [2, 3]


def test_the_schema_describes_the_file(tmp_path: Path) -> None:
    done = codemode(tmp_path, "config", "schema", "-o", "schema.json")
    assert done.returncode == 0 and "$schema=schema.json" in done.stdout
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["port"]["default"] == 8001


def test_a_variable_that_means_nothing_is_warned_of(tmp_path: Path) -> None:
    hint = "CODEMODE_PROT: is the variable of no setting; did you mean `CODEMODE_PORT`?"
    (tmp_path / "codemode.yaml").write_text("timeout: 5\n")
    done = codemode(tmp_path, "validate", CODEMODE_PROT="9")
    assert (done.returncode, done.stderr) == (0, f"codemode: warning: {hint}\n")
    with Daemon(tmp_path, CODEMODE_PROT="9") as daemon:
        assert daemon.log.decode().count(hint) == 1
