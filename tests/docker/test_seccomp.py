"""deploy/docker/seccomp.json: the engine's default, and exactly what tier full needs on top of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docker import engine
from docker.compose import DEPLOY
from docker.container import docker

PROFILE = DEPLOY / "docker" / "seccomp.json"
RULES: list[Any] = json.loads(PROFILE.read_text())["syscalls"]
ADDED = [rule for rule in RULES if rule["comment"].startswith("codemode: ")]


def _doctor(profile: Path) -> str | None:
    """The tier that an ordinary user without a single capability reaches under this profile."""
    options = ["--user", "10001", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"]
    ran = docker(
        "run", "--rm", *options, "--security-opt", f"seccomp={profile}", "--entrypoint", "bash", engine.image(),
        "-c", "echo 6*7 | codemode run - --json; true",
    )  # fmt: skip
    isolation = json.loads(ran)["isolation"]
    return str(isolation["tier"]) if isolation else None


def test_each_rule_says_why() -> None:
    assert all(rule["comment"] for rule in RULES) and len(ADDED) == 12
    assert all(len(rule["names"]) == 1 for rule in ADDED)


def test_the_profile_reaches_tier_full() -> None:
    assert _doctor(PROFILE) == "full"


@pytest.mark.parametrize("rule", ADDED, ids=lambda rule: rule["names"][0])
def test_each_addition_is_needed(rule: Any, tmp_path: Path) -> None:
    weaker = tmp_path / "seccomp.json"
    whole = json.loads(PROFILE.read_text())
    weaker.write_text(json.dumps({**whole, "syscalls": [other for other in RULES if other != rule]}))
    assert _doctor(weaker) is None


def test_nothing_else_is_added(tmp_path: Path) -> None:
    """Tried, not read: what the engine's default refuses to an ordinary user, this profile refuses as well."""
    attempt = """
import ctypes, errno, json
calls = {'bpf': 321, 'perf_event_open': 298, 'userfaultfd': 323, 'keyctl': 250, 'add_key': 248, 'swapon': 167,
         'init_module': 175, 'kexec_load': 246, 'reboot': 169, 'setns': 308, 'chroot': 161, 'quotactl': 179,
         'open_by_handle_at': 304, 'io_uring_setup': 425, 'acct': 163, 'process_vm_writev': 311}
libc = ctypes.CDLL(None, use_errno=True)
refused = []
for name, number in calls.items():
    libc.syscall(number, 0, 0, 0, 0, 0)
    refused.append([name, errno.errorcode.get(ctypes.get_errno())])
print(json.dumps(refused))
"""
    ran = docker(
        "run", "--rm", "--user", "10001", "--cap-drop", "ALL", "--network", "none",
        "--security-opt", f"seccomp={PROFILE}", "--entrypoint", "python3", engine.image(), "-c", attempt,
    )  # fmt: skip
    assert {name for name, error in json.loads(ran) if error != "EPERM"} == set(), ran
