"""What tier container cannot hold is refused at start, by name and with what to do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from docker import engine

# As the documentation's compose file has it, but for the volumes.
RIGHTS = ("--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "SETUID", "--cap-add", "SETGID",
          "--security-opt", "no-new-privileges:true")  # fmt: skip


def refused(*options: str, shell: str = "exec codemode serve") -> str:
    """What the executor says as it ends."""
    command = ["docker", "run", "--rm", "--network", "none", *RIGHTS, *options, "--entrypoint", "sh", engine.image()]
    ran = subprocess.run([*command, "-c", shell], check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode != 0, ran.stderr
    return ran.stderr


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"isolation": {"minimum": "full"}}, "isolation.minimum is full but only tier container holds here"),
        ({"isolation": {"require": ["cgroup"]}}, "isolation.require names cgroup, which is substituted"),
        ({"isolation": {"allow_unix_sockets": True}}, "isolation.allow_unix_sockets takes tier full"),
        ({"max_concurrent_executions": 2}, "max_concurrent_executions: 2 takes tier full"),
        ({"filesystem": {"sandbox": {"max_size": "1GB"}}}, "filesystem.sandbox.max_size cannot be enforced here"),
        ({"filesystem": {"workspace": {"mount": "/etc"}}}, "filesystem.workspace.mount: /etc would have to be mounted"),
    ],
)
def test_a_policy_that_takes_more(policy: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "codemode.yaml").write_text(json.dumps(policy))
    file = "/etc/codemode/wanted.yaml"
    mount = ("--volume", f"{tmp_path / 'codemode.yaml'}:{file}:ro")
    assert said in refused(*mount, shell=f"exec codemode serve --config {file}")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("touch /tmp/somebodys", "/tmp holds somebodys, which is not this executor's"),
        ("touch /sandbox/somebodys", "/sandbox holds somebodys"),
        ("rm /outputs; mkdir /outputs; touch /outputs/x", "/outputs is a mount, or a folder that is not empty"),
        ("rmdir /sandbox", "/sandbox: No such file or directory"),
    ],
)
def test_folders_that_are_not_the_executors_alone(before: str, said: str) -> None:
    assert said in refused(shell=f"{before}; exec codemode serve")


def test_a_root_folder_that_cannot_be_written() -> None:
    said = refused("--read-only", "--tmpfs", "/sandbox", "--tmpfs", "/tmp")
    assert "/outputs cannot be pointed at a private folder" in said, said


def test_a_second_executor_in_the_same_container() -> None:
    said = refused(shell="codemode serve --port 8002 & sleep 1; while ! codemode health --url http://127.0.0.1:8002; "
                         "do sleep 0.1; done; codemode serve --port 8003")  # fmt: skip
    assert "/sandbox and /dev/shm are in use by another executor" in said, said


def test_without_the_rights_of_either_tier() -> None:
    said = refused("--user", "10001")
    assert "no isolation tier holds here" in said and "warden (not uid 0)" in said, said
    assert "for tier full" in said and "for tier container" in said, said
