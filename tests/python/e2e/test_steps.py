"""Executions that go on from each other, as the adapters for agents that act by code make them."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from codemode import Codemode, ComponentRegistry
from codemode.integrations._steps import Steps, entry


def note(text: str) -> str:
    """Writes a note."""
    return text


@pytest.fixture(scope="module")
def client() -> Iterator[Codemode]:
    registry = ComponentRegistry()
    registry.register_tool(note)
    with Codemode.local({"limits": {"code_timeout": 2, "memory_limit": "128Mi"}}, registry=registry) as client:
        yield client


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import os\nos._exit(3)", "error"),
        ("import os\nos.kill(os.getpid(), 9)", "killed"),
        ("while True: pass", "timeout"),
        ("bytearray(b'x') * (200 << 20)", "memory_limit"),
        ("", "rejected"),
    ],
)
def test_a_step_that_leaves_nothing_takes_nothing(code: str, outcome: str, client: Codemode) -> None:
    steps = Steps(client, None, {"variables": {"kept": 7}})
    assert steps.run(code).code == outcome
    assert steps.run("kept").text == "7"


def test_values_that_leave_no_room_for_a_step_do_not_stay() -> None:
    """One dict many times over is small until it is written down."""
    with Codemode.local({"limits": {"memory_limit": "96Mi"}}) as small:
        steps = Steps(small, None, {})
        assert steps.run("many = [{}] * 2_000_000").succeeded
        first, second, third = (steps.run("1 + 1") for _ in range(3))
    assert first.code == second.code == "memory_limit" and "are gone" not in first.text
    assert second.text.endswith("and they take a part of it.") and third.text == "2"


def test_a_step_may_forget_everything(client: Codemode) -> None:
    steps = Steps(client, None, {"variables": {"kept": 7}})
    assert steps.run("del kept").succeeded and steps.variables == {}


def test_what_is_said_of_steps_that_keep_nothing(client: Codemode) -> None:
    """Neither in the prompt nor after a name that is missing: it would be a promise."""
    steps = Steps(client, None, {"keep_variables": False, "bare_tools": False})
    assert "Nothing is kept between two runs." in steps.prompt and "kept for the next run" not in steps.prompt
    assert "function of its own name" not in steps.prompt
    steps.run("mine = 1")
    text = steps.run("mine").text
    assert "name 'mine' is not defined" in text and "kept" not in text


def test_a_copy_is_another_conversation(client: Codemode) -> None:
    """Frameworks and applications copy an agent to have a second one."""
    one = Steps(client, None, {})
    one.run("seen = [1]")
    other = copy.deepcopy(one)
    one.offer({"who": entry("who", lambda: "one", "Who.")})
    other.offer({"who": entry("who", lambda: "other", "Who.")})
    assert (one.run("seen.append(2)\nwho()").text, other.run("seen.append(3)\nwho()").text) == ("one", "other")
    assert (one.run("seen").text, other.run("seen").text) == ("[1, 2]", "[1, 3]")
    assert other.run("note('x')").text == "x"
