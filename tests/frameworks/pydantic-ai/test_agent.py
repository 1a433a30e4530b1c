"""Real agents with the toolset: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.exceptions import UnexpectedModelBehavior

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from frameworks.application import PAY, WEATHER, Application


def test_an_agent_runs_code_that_calls_a_registered_tool(
    codemode: Codemode, application: Application, script: Any, said: Any
) -> None:
    it = script([f"print('asked')\n{WEATHER}['temperature'] + 1"], said)
    done = Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()]).run_sync("Do it.")
    assert json.loads(done.output) == [{"result": 22.5, "stdout": "asked\n"}]
    assert application.calls == [("weather", "Oslo")]
    (tool,) = it.tools
    described = tool.parameters_json_schema["properties"]["code"]["description"]
    assert tool.name == "run_code" and "def weather(self, *, city: str)" in described


def test_an_agent_that_may_not_call_every_tool(
    codemode: Codemode, application: Application, script: Any, said: Any
) -> None:
    it = script([PAY], [WEATHER], said)
    Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset(["weather"])]).run_sync("Do it.")
    assert application.calls == [("weather", "Oslo")] and "def pay(" not in str(it.tools)
    assert "there is no tool 'pay'" in it.answers[0] and it.answers[1] == {"result": {"temperature": 21.5}}


def test_a_run_that_fails_and_recovers(codemode: Codemode, script: Any, said: Any) -> None:
    """Pydantic AI asks the model to try again."""

    def corrected(answers: list[Any]) -> list[str]:
        assert "line 1, in <module>" in answers[0] and "KeyError: 'temprature'" in answers[0]
        assert it.parts[0].outcome == "retried"
        return ["{'temperature': 3}['temperature']"]

    it = script(["{'temperature': 3}['temprature']"], corrected, said)
    done = Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()]).run_sync("Do it.")
    assert json.loads(done.output)[1] == {"result": 3}


def test_the_model_decides_about_what_ran_already(
    codemode: Codemode, application: Application, script: Any, said: Any
) -> None:
    """It reads which tools ran. It is not asked to try again, so however often this happens is no retry."""
    failing = [f"{PAY}\n1 / 0"]
    it = script(failing, failing, failing, ["'no more'"], said)
    Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()], retries=0).run_sync("Do it.")
    assert [part.outcome for part in it.parts] == ["failed"] * 3 + ["success"]
    assert "running the code again repeats them: pay (ok)" in str(it.answers[0])
    assert application.calls == [("pay", "Ada")] * 3


def test_the_budget_of_retries_is_the_agents(codemode: Codemode, script: Any) -> None:
    it = script(["1 / 0"], ["1 / 0"], ["1 / 0"], "unreachable")
    with pytest.raises(UnexpectedModelBehavior, match="run_code"):
        Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()], retries=1).run_sync("Do it.")
    assert len(it.answers) == 1


def test_calls_of_one_turn_run_at_the_same_time(codemode: Codemode, script: Any, said: Any) -> None:
    """Each program's tool waits for those of the two others, so no call holds the event loop."""
    it = script([f"tools.meet(who='{who}')" for who in "abc"], said)
    done = Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()]).run_sync("Do it.")
    assert json.loads(done.output) == [{"result": "a"}, {"result": "b"}, {"result": "c"}]


def test_asynchronous_tools_run_on_the_agents_loop(codemode: Codemode, script: Any, said: Any) -> None:
    loops: list[Any] = []

    async def loop_of() -> str:
        """The loop."""
        loops.append(asyncio.get_running_loop())
        return "seen"

    async def run() -> str:
        codemode.registry.register_tool(loop_of)
        it = script(["tools.loop_of()"], said)
        done = await Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()]).run("Do it.")
        assert loops == [asyncio.get_running_loop()]
        return str(done.output)

    assert json.loads(asyncio.run(run())) == [{"result": "seen"}]


def test_two_toolsets_of_one_agent(codemode: Codemode, application: Application, script: Any) -> None:
    one, other = codemode.as_pydantic_ai_toolset(["weather"]), codemode.as_pydantic_ai_toolset(["pay"], name="billing")
    it = script([WEATHER], "done")
    Agent(it.model, toolsets=[one, other, one.prefixed("again")]).run_sync("Do it.")
    assert [tool.name for tool in it.tools] == ["run_code", "billing", "again_run_code"]
    assert (one.id, other.id) == ("run_code", "billing") and application.calls == [("weather", "Oslo")]


def test_a_toolset_that_waits_for_consent(codemode: Codemode, application: Application, script: Any) -> None:
    it = script([PAY])
    toolset = codemode.as_pydantic_ai_toolset().approval_required()
    done = Agent(it.model, toolsets=[toolset], output_type=[str, DeferredToolRequests]).run_sync("Do it.")
    assert [call.args for call in done.output.approvals] == [{"code": PAY}] and application.calls == []


def test_what_a_model_writes_instead_of_code(codemode: Codemode, script: Any, said: Any) -> None:
    it = script([7], ["x = 1"], ["```python\n1 + 1\n```"], said)
    done = Agent(it.model, toolsets=[codemode.as_pydantic_ai_toolset()]).run_sync("Do it.")
    assert it.parts[0].outcome == "retried" and json.loads(done.output)[1:] == [{"result": None}, {"result": 2}]


def test_a_call_that_somebody_said_no_to_is_no_retry(
    codemode: Codemode, application: Application, script: Any, said: Any
) -> None:
    """Or the model would be asked to have it tried again, and the person to say no again."""
    codemode.registry.register_tool("transfer", application.pay, approval="ask")
    it = script(["tools.transfer(to='Ada')"], "done")
    toolset = codemode.as_pydantic_ai_toolset(on_approval=lambda request: False)
    assert Agent(it.model, toolsets=[toolset], retries=0).run_sync("Do it.").output == "done"
    assert "denied again: go on without it" in str(it.answers[0]) and application.calls == []


def test_an_executor_that_is_gone_is_told_to_the_model(script: Any) -> None:
    """No code would help, so it is no retry. Where the executor is stays between the application and its log."""
    client = Codemode()
    toolset = client.as_pydantic_ai_toolset()
    client.close()
    it = script(["1"], ["2"], "done")
    Agent(it.model, toolsets=[toolset], retries=0).run_sync("Do it.")
    assert "The sandbox cannot be used" in str(it.answers[0]) and "client" not in str(it.answers[0])


def test_options(codemode: Codemode, script: Any) -> None:
    results: list[ExecutionResult] = []
    toolset = codemode.as_pydantic_ai_toolset(["later"], description="Runs Python.", on_result=results.append)
    it = script(["tools.later(text='x')"], "done")
    Agent(it.model, toolsets=[toolset]).run_sync("Do it.")
    assert it.tools[0].description == "Runs Python." and [result.result for result in results] == ["x"]
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        codemode.as_pydantic_ai_toolset(["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        codemode.as_pydantic_ai_toolset(execution_timeut=3)
