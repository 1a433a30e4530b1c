"""Real crews, whose models follow a script: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.tool_usage_events import ToolFailureDetectedEvent
from crewai.tools import ToolExecutionFailedError, ToolFailure

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from frameworks.application import PAY, WEATHER, Application
from frameworks.crewai.crews import Scripted, agent, crew, value


def test_a_crew_runs_code_that_calls_a_registered_tool(mode: str, codemode: Codemode, application: Application) -> None:
    model = Scripted.of(mode, [f"print('asked')\n{WEATHER}['temperature'] + 1"], lambda answers: answers[0])
    done = crew(agent("Analyst", model, codemode.as_crewai_tool())).kickoff()
    told = {"result": 22.5, "stdout": "asked\n", "stderr": "", "files": [], "warnings": []}
    assert json.loads(done.raw) == told and application.calls == [("weather", "Oslo")]
    # How the code is to be written comes with the tool; JSON escapes it in both modes, in one of them twice.
    assert "def weather(self, *, city: str)" in model.told and "The code is run by CPython" in model.told


def test_two_agents_with_different_tools(mode: str, codemode: Codemode, application: Application) -> None:
    """Each tries what the other may do: it is not there, neither in what it reads nor for its code."""
    analyst = Scripted.of(mode, [PAY], [WEATHER], lambda answers: answers[-1])
    clerk = Scripted.of(mode, [WEATHER], [PAY], lambda answers: answers[-1])
    with Codemode(registry=application.registry.scoped(["pay"])) as scoped:
        done = crew(
            agent("Analyst", analyst, codemode.as_crewai_tool(["weather"])),
            agent("Clerk", clerk, scoped.as_crewai_tool()),
        ).kickoff()
    assert application.calls == [("weather", "Oslo"), ("pay", "Ada")]
    assert [value(task.raw) for task in done.tasks_output] == [{"temperature": 21.5}, "paid Ada"]
    assert "there is no tool 'pay'" in analyst.answers[0] and "there is no tool 'weather'" in clerk.answers[0]
    assert "def pay(" not in analyst.told and "def weather(" not in clerk.told


def test_a_run_that_fails_and_recovers(mode: str, codemode: Codemode, application: Application) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(answers: list[str]) -> list[str]:
        assert "line 2, in <module>" in answers[0] and "KeyError: 'temprature'" in answers[0]
        assert "already ran; running the code again repeats them: pay (ok)" in answers[0]
        return ["{'temperature': 3}['temperature']"]

    failures: list[ToolFailureDetectedEvent] = []
    model = Scripted.of(
        mode, ["tools.pay(to='Ada')\n{'temperature': 3}['temprature']"], corrected, lambda said: said[-1]
    )
    with crewai_event_bus.scoped_handlers():
        crewai_event_bus.on(ToolFailureDetectedEvent)(lambda _, event: failures.append(event))
        done = crew(agent("Clerk", model, codemode.as_crewai_tool())).kickoff()
        crewai_event_bus.flush()
    assert value(done.raw) == 3 and application.calls == [("pay", "Ada")]
    (recorded,) = done.tasks_output[0].tool_failures
    assert [event.failure for event in failures] == [recorded.failure]
    assert (recorded.failure.code, recorded.failure.retryable) == ("error", False)
    assert recorded.failure.details["error_type"] == "KeyError"


def test_calls_of_one_turn_run_at_the_same_time(codemode: Codemode) -> None:
    """Each program's tool waits for those of the two others."""
    model = Scripted.of("native", [f"tools.meet(who='{who}')" for who in "abc"], lambda answers: " ".join(answers))
    crew(agent("Host", model, codemode.as_crewai_tool())).kickoff()
    assert [value(answer) for answer in model.answers] == ["a", "b", "c"]


def test_what_ran_before_is_run_again(mode: str, codemode: Codemode, application: Application) -> None:
    """CrewAI's cache would answer the third run with the first."""
    model = Scripted.of(mode, [WEATHER], ["1"], [WEATHER], "done")
    crew(agent("Analyst", model, codemode.as_crewai_tool(), cache=True), cache=True).kickoff()
    assert len(application.calls) == 2 and [value(answer) for answer in model.answers][1] == 1


def test_asynchronous_crews(mode: str, codemode: Codemode) -> None:
    async def both() -> list[Any]:
        models = [Scripted.of(mode, ["tools.later(text='x')"], lambda answers: answers[0]) for _ in range(2)]
        crews = [crew(agent("Analyst", model, codemode.as_crewai_tool())) for model in models]
        return [(await crews[0].kickoff_async()).raw, (await crews[1].akickoff()).raw]

    assert [value(raw) for raw in asyncio.run(both())] == ["x", "x"]


def test_a_call_of_the_tool_alone(codemode: Codemode) -> None:
    tool = codemode.as_crewai_tool(["later"], name="python", description="Runs Python.", context={"user": "ada"})
    assert (tool.name, tool.description) == ("python", "Runs Python.")
    assert tool.run(code="[context['user'], tools.later(text='x')]").result == ["ada", "x"]
    assert asyncio.run(tool.arun(code="tools.later(text='y')")).result == "y"
    with pytest.raises(ValueError, match="code"):
        tool.run(program="1")


def test_a_policy_that_ends_the_crew(codemode: Codemode) -> None:
    model = Scripted.of("native", ["1 / 0"], "unreachable")
    with pytest.raises(ToolExecutionFailedError, match="ZeroDivisionError"):
        crew(agent("Analyst", model, codemode.as_crewai_tool(), tool_failure_policy="raise")).kickoff()


def test_the_application_gets_each_result_whole(codemode: Codemode, tmp_path: Path) -> None:
    results: list[ExecutionResult] = []
    tool = codemode.as_crewai_tool(on_result=results.append)
    answer = tool.run(code="open('/outputs/report.txt', 'w').write('x' * 30_000)\nprint('y' * 30_000)")
    assert answer.files == ["report.txt (30000 bytes)"] and len(answer.stdout) < 16_000
    assert results[0].artifacts[0].text() == "x" * 30_000 and len(results[0].stdout) == 30_001


def test_values_that_are_no_json(codemode: Codemode) -> None:
    code = "import datetime, numpy\n{'at': datetime.date(2026, 1, 2), 'row': numpy.arange(3), 'none': float('nan')}"
    tool = codemode.as_crewai_tool()
    told = tool.format_output_for_agent(tool.run(code=code))
    assert value(told) == {"at": "2026-01-02", "row": [0, 1, 2], "none": "NaN"}


def test_an_executor_that_is_gone_is_a_failure_and_no_exception() -> None:
    """Or CrewAI would call again. Where the executor is stays between the application and its log."""
    client = Codemode()
    tool = client.as_crewai_tool()
    client.close()
    failure = tool.run(code="1")
    assert isinstance(failure, ToolFailure) and failure.code == "closed"
    assert "client" not in failure.message and "create a new one" in failure.details["reason"]


def test_what_is_wrong_is_told_before_a_crew_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        codemode.as_crewai_tool(["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        codemode.as_crewai_tool(execution_timeut=3)
    with pytest.raises(Exception, match="execution_timeout must be a positive number"):
        codemode.as_crewai_tool(execution_timeout=-1)


def test_a_tool_from_a_checkpoint_says_what_it_lacks(codemode: Codemode) -> None:
    tool = codemode.as_crewai_tool()
    restored = type(tool).model_validate(tool.model_dump(mode="json"))
    assert restored.description == tool.description and restored.cache_function() is False
    with pytest.raises(RuntimeError, match="as_crewai_tool"):
        restored.run(code="1")
