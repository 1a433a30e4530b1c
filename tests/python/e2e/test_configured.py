"""Clients that a file, a mapping or the environment configures, with executors of their own and with daemons."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codemode import ClientConfig, Codemode, ConfigError, ExecutorConnectionError
from codemode.config import ConfigLoader, ConfigLoadError, SidecarConfig
from e2e.daemon import KEY, Daemon

SEEDS_BASIC = """
executor:
  url: http://executor:8001
  api_key: ${CODEMODE_API_KEY}

  # Enable hybrid execution
  execution:
    allow_direct_execution: true
    allowed_commands:
      - grep
      - cat
      - ls
      - find
      - wc
      - head
      - tail
      - bash

  # Filesystem access control
  filesystem:
    workspace:
      mount: ./project_files
      readonly: true
    sandbox:
      mount: /sandbox
      readonly: false
      max_size: 1GB
    outputs:
      mount: ./outputs
      readonly: false

  # Network control (executor has no network access)
  network:
    mode: none
"""
COUNT = """
import subprocess
result = subprocess.run(['grep', '-c', 'ERROR', '/workspace/app.log'], capture_output=True, text=True).stdout.strip()
open('/outputs/count.txt', 'w').write(result)
"""

Setenv = Callable[[str, str], None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the seeds' configuration names; the process is elsewhere."""
    folder = tmp_path / "project"
    (folder / "project_files").mkdir(parents=True)
    (folder / "project_files" / "app.log").write_text("ERROR a\nfine\nERROR b\n")
    (folder / "outputs").mkdir()
    (folder / "codemode.yaml").write_text(SEEDS_BASIC)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


def test_one_file_for_both_sides(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEMODE_API_KEY", KEY)
    with Daemon(project, SEEDS_BASIC) as daemon:
        monkeypatch.setenv("CODEMODE_EXECUTOR_URL", daemon.url)
        with Codemode.from_config(project / "codemode.yaml") as codemode:
            result = codemode.execute(COUNT)
            assert result.result == "2", result
            assert codemode.execute("import subprocess; subprocess.run(['cp', 'a', 'b'])").error
    assert (project / "outputs" / "count.txt").read_text() == "2"


def test_the_same_file_without_its_url_is_a_private_executor(project: Path) -> None:
    file = project / "codemode.yaml"
    file.write_text(re.sub(r"  (url|api_key): .*\n", "", SEEDS_BASIC))
    with Codemode.from_client_config(config_path=file) as codemode:
        assert codemode.execute(COUNT).result == "2"
    assert (project / "outputs" / "count.txt").read_text() == "2"


def test_a_client_narrows_and_does_not_widen(tmp_path: Path) -> None:
    remote = {"executor_api_key": KEY}
    with Daemon(tmp_path, {"limits": {"processes": 32}, "execution": {"allowed_commands": ["cat", "ls"]}}) as daemon:
        remote["executor_url"] = daemon.url
        narrower = {**remote, "limits": {"max_code_length": 60}, "execution": {"allowed_commands": ["cat"]}}
        with Codemode.from_dict(narrower) as codemode:
            assert codemode.execute("1" * 60).success
            rejected = codemode.execute("1" * 61)
            assert (rejected.outcome, rejected.success) == ("rejected", False)
            error = codemode.execute("import subprocess; subprocess.run(['ls'])").error
            assert error and "unauthorized_command: ls" in error.message
        wider = {
            **remote,
            "limits": {"processes": 64},
            "network": {"mode": "all"},
            "execution": {"allowed_commands": ["rm"]},
        }
        with Codemode.from_dict(wider) as codemode, pytest.raises(ConfigError) as caught:
            codemode.execute("1")
    assert str(caught.value) == (
        f"the executor at {daemon.url} refused the policy: "
        "execution.allowed_commands: this executor does not allow: rm\n"
        "network.mode: all is wider than this executor's none\n"
        "limits.processes: 64 is wider than this executor's 32"
    )


def test_policies_of_private_executors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("here")
    monkeypatch.chdir(tmp_path)
    values = {"filesystem": {"workspace": {"mount": "files"}}, "limits": {"max_code_length": 40}, "timeout": 40}
    for codemode in (Codemode.from_dict(values), Codemode(values), Codemode(ClientConfig.from_dict(values))):
        with codemode:
            assert codemode.execute("open('/workspace/a.txt').read()").result == "here"
            assert codemode.execute("1" * 41).outcome == "rejected"


def test_the_environment_wins_over_env_files_and_those_over_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Daemon(tmp_path) as daemon:
        (tmp_path / "client.yaml").write_text("executor_url: http://nowhere.invalid:1\nexecutor_api_key: wrong\n")
        (tmp_path / ".env").write_text(
            f"CODEMODE_EXECUTOR_API_KEY={KEY}\nCODEMODE_EXECUTOR_URL=http://nowhere.invalid:2\n"
        )
        monkeypatch.setenv("CODEMODE_EXECUTOR_URL", daemon.url)
        with Codemode.from_config(tmp_path / "client.yaml") as codemode:
            assert codemode.execute("2 + 2").result == 4


def test_an_executor_that_is_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEMODE_API_KEY", KEY)
    monkeypatch.setenv("CODEMODE_EXECUTOR_URL", f"unix:{project}/nobody.sock")
    with Codemode.from_config(project / "codemode.yaml") as codemode:
        with pytest.raises(ExecutorConnectionError, match=r"nobody\.sock") as caught:
            codemode.execute("1")
        assert KEY not in str(caught.value)


def test_the_view_of_an_executor_is_what_the_daemon_does(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEMODE_API_KEY", KEY)
    monkeypatch.setenv("CODEMODE_MAX_EXEC_TIME", "7")
    monkeypatch.setenv("CODEMODE_MEMORY_LIMIT", "128m")
    view = ConfigLoader.load_sidecar_config(project / "codemode.yaml")
    with Daemon(project, SEEDS_BASIC, CODEMODE_MAX_EXEC_TIME="7", CODEMODE_MEMORY_LIMIT="128m") as daemon:
        config = ClientConfig(executor_url=daemon.url, executor_api_key=view.api_key)
        with Codemode(config) as codemode:
            held = codemode._open().native.info()["policy"]
    assert SidecarConfig.from_dict(held).model_dump(include=set(held)) == view.model_dump(include=set(held))
    assert (view.limits.code_timeout, view.limits.memory_limit) == (7, 128 << 20)
    assert Path(view.filesystem.workspace.mount or "") == project / "project_files"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigLoadError, match=r"nope\.yaml"):
        Codemode.from_config(tmp_path / "nope.yaml")
