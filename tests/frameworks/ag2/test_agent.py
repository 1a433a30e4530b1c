"""Real agents whose code runs in the sandbox: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ag2.tools.code import CodeEnvironment

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from codemode.integrations.ag2 import CodemodeEnvironment
from frameworks.application import PAY, WEATHER, Application


def test_an_agent_runs_code_that_calls_a_registered_tool(
    codemode: Codemode, application: Application, turns: Any
) -> None:
    it = turns([f"print('asked')\n{WEATHER}['temperature'] + 1"])
    it.ask(CodemodeEnvironment(codemode), codemode.prompt())
    assert it.answers == [["Result: 22.5\nPrinted: asked"]] and application.calls == [("weather", "Oslo")]
    first = it.calls[0]
    assert "def weather(self, *, city: str)" in first.prompt[0]
    assert first.tools[0].function.description.endswith("Supported languages: python.")


def test_an_agent_that_may_not_call_every_tool(codemode: Codemode, application: Application, turns: Any) -> None:
    it = turns([PAY], [WEATHER])
    it.ask(CodemodeEnvironment(codemode, ["weather"]), codemode.prompt(["weather"]))
    assert application.calls == [("weather", "Oslo")] and "def pay(" not in it.calls[0].prompt[0]
    assert "there is no tool 'pay'" in it.answers[0][0] and it.answers[1] == ['{"temperature": 21.5}']


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application, turns: Any) -> None:
    """The model reads where its code failed and which tools ran already."""
    it = turns([f"{PAY}\n{{'temperature': 3}}['temprature']"], ["{'temperature': 3}['temperature']"])
    it.ask(CodemodeEnvironment(codemode))
    (failure,), (success,) = it.answers
    assert "line 2, in <module>" in failure and "KeyError: 'temprature'" in failure
    assert "already ran; running the code again repeats them: pay (ok)" in failure
    assert failure.endswith("\n[exit code: 1]") and success == "3" and application.calls == [("pay", "Ada")]


def test_calls_of_one_turn_run_at_the_same_time(codemode: Codemode, turns: Any) -> None:
    """Each program's tool waits for those of the two others, so no call holds the event loop."""
    it = turns([f"tools.meet(who='{who}')" for who in "abc"])
    it.ask(CodemodeEnvironment(codemode))
    assert it.answers == [["a", "b", "c"]]


def test_another_language_is_refused(codemode: Codemode, turns: Any) -> None:
    it = turns(["ls"], language="bash")
    it.ask(CodemodeEnvironment(codemode))
    assert it.answers[0][0].startswith("This sandbox runs Python, not bash. Nothing ran.")
    assert it.answers[0][0].endswith("\n[exit code: 1]")


def test_an_executor_that_is_gone_is_told_to_the_model(turns: Any) -> None:
    """Where the executor is stays between the application and its log."""
    client = Codemode()
    environment = CodemodeEnvironment(client)
    client.close()
    it = turns(["1"])
    it.ask(environment)
    assert "The sandbox cannot be used" in it.answers[0][0] and "client" not in it.answers[0][0]


def test_options(codemode: Codemode) -> None:
    results: list[ExecutionResult] = []
    environment = CodemodeEnvironment(codemode, on_result=results.append, context={"user": "ada"})
    done = asyncio.run(environment.run("context['user']\nraise SystemExit(3)", "python"))
    assert done.exit_code == 3 and results[0].exit_code == 3
    assert asyncio.run(environment.run("context['user']", "python")).output == "ada"
    assert isinstance(environment, CodeEnvironment)
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        CodemodeEnvironment(codemode, ["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        CodemodeEnvironment(codemode, execution_timeut=3)
