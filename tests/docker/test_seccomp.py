"""deploy/docker/seccomp.json: the engine's default, and exactly what tier full needs on top of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

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


def test_nothing_else_is_added() -> None:
    """Tried, not read. Without a filter the kernel answers each of these in another way, so EPERM is the filter's."""
    filtered, unfiltered = _answers(f"seccomp={PROFILE}"), _answers("seccomp=unconfined")
    assert {name for name, answer in filtered.items() if answer != "EPERM"} == set()
    assert {name for name, answer in unfiltered.items() if answer == "EPERM"} == set()


# By the numbers of x86-64.
_ATTEMPTS = """
import ctypes, errno, json, os
NEWNS, NEWCGROUP, NEWUSER, NEWNET = 0x20000, 0x2000000, 0x10000000, 0x40000000
attempts = {
    'keyctl': (250, 0xffff), 'add_key': (248,), 'request_key': (249,), 'setns': (308,), 'io_uring_setup': (425,),
    'process_vm_writev': (311,), 'perf_event_open': (298,), 'name_to_handle_at': (303,), 'kcmp': (312,),
    'move_pages': (279, 0, 1), 'get_mempolicy': (239, 0, 0, 0, 0, 0xff), 'userfaultfd': (323, 1),
    'unshare user alone': (272, NEWUSER), 'unshare user and net': (272, NEWUSER | NEWNET),
    'clone with a cgroup namespace': (56, NEWUSER | NEWCGROUP | NEWNS | 0x200),
    'vsock': (41, 40, 1, 0xffff),
}
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for name, call in attempts.items():
    pid = os.fork()
    if pid:
        answers[name] = errno.errorcode.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 'done')
    else:
        os._exit(ctypes.get_errno() if libc.syscall(*call, *[0] * (7 - len(call))) == -1 else 0)
print(json.dumps(answers))
"""


def _answers(option: str) -> dict[str, str]:
    ran = docker(
        "run", "--rm", "--user", "10001", "--cap-drop", "ALL", "--network", "none", "--security-opt", option,
        "--entrypoint", "python3", engine.image(), "-c", _ATTEMPTS,
    )  # fmt: skip
    return cast("dict[str, str]", json.loads(ran))
