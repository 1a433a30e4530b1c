"""Real agents with the tool: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools.errors import ToolInvocationError

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from frameworks.application import PAY, WEATHER, Application

ASKED = [ChatMessage.from_user("Do it.")]


def last(done: dict[str, Any]) -> Any:
    return json.loads(done["last_message"].text)


def test_an_agent_runs_code_that_calls_a_registered_tool(
    codemode: Codemode, application: Application, script: Any, said: Any
) -> None:
    it = script([f"print('asked')\n{WEATHER}['temperature'] + 1"], said)
    done = Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool()]).run(ASKED)
    assert last(done) == [{"result": 22.5, "stdout": "asked\n"}] and application.calls == [("weather", "Oslo")]
    (tool,) = it.tools
    assert "def weather(self, *, city: str)" in tool["parameters"]["properties"]["code"]["description"]


def test_an_agent_that_may_not_call_every_tool(
    codemode: Codemode, application: Application, script: Any, said: Any
) -> None:
    it = script([PAY], [WEATHER], said)
    Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool(["weather"])]).run(ASKED)
    assert application.calls == [("weather", "Oslo")] and "def pay(" not in str(it.tools)
    assert "there is no tool 'pay'" in it.answers[0] and it.answers[1] == {"result": {"temperature": 21.5}}


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application, script: Any, said: Any) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(answers: list[Any]) -> list[str]:
        assert answers[0].startswith("The code failed:\n") and it.failed == [True]
        assert "line 2, in <module>" in answers[0] and "KeyError: 'temprature'" in answers[0]
        assert "already ran; running the code again repeats them: pay (ok)" in answers[0]
        return ["{'temperature': 3}['temperature']"]

    it = script([f"{PAY}\n{{'temperature': 3}}['temprature']"], corrected, said)
    done = Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool()]).run(ASKED)
    assert last(done)[1] == {"result": 3} and application.calls == [("pay", "Ada")]


def test_an_agent_that_is_ended_by_a_failure(codemode: Codemode, script: Any) -> None:
    it = script(["1 / 0"], "unreachable")
    agent = Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool()], raise_on_tool_invocation_failure=True)
    with pytest.raises(ToolInvocationError, match="ZeroDivisionError") as raised:
        agent.run(ASKED)
    assert raised.value.tool_name == "codemode"


@pytest.mark.parametrize("way", ["threads", "tasks"])
def test_calls_of_one_turn_run_at_the_same_time(way: str, codemode: Codemode, script: Any, said: Any) -> None:
    """Each program's tool waits for those of the two others, so no call holds the event loop either."""
    it = script([f"tools.meet(who='{who}')" for who in "abc"], said)
    agent = Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool()])
    done = agent.run(ASKED) if way == "threads" else asyncio.run(agent.run_async(ASKED))
    assert last(done) == [{"result": "a"}, {"result": "b"}, {"result": "c"}]


def test_a_run_that_fails_and_recovers_on_the_event_loop(codemode: Codemode, script: Any, said: Any) -> None:
    it = script(["1 / 0"], ["tools.later(text='x')"], said)
    agent = Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool()])
    told = last(asyncio.run(agent.run_async(ASKED)))
    assert told[0].startswith("The code failed:\n") and told[1] == {"result": "x"}


def test_a_pipeline_whose_agent_keeps_results_in_its_state(codemode: Codemode, script: Any) -> None:
    tool = codemode.as_haystack_tool()
    tool.outputs_to_state = {"total": {"source": "result"}}
    it = script(["40 + 2"], "done")
    pipeline = Pipeline()
    pipeline.add_component("agent", Agent(chat_generator=it.model, tools=[tool], state_schema={"total": {"type": int}}))
    assert pipeline.run({"agent": {"messages": ASKED}})["agent"]["total"] == 42


def test_what_a_model_writes_instead_of_code(codemode: Codemode, script: Any, said: Any) -> None:
    it = script([7], ["x = 1"], ["```python\n1 + 1\n```"], said)
    first, *others = last(Agent(chat_generator=it.model, tools=[codemode.as_haystack_tool()]).run(ASKED))
    assert "one string of Python code" in first and others == [{"result": None}, {"result": 2}]
    with pytest.raises(ToolInvocationError, match="code"):
        codemode.as_haystack_tool().invoke(program="1")


def test_an_executor_that_is_gone_is_told_to_the_model(script: Any) -> None:
    """Where the executor is stays between the application and its log."""
    client = Codemode()
    tool = client.as_haystack_tool()
    client.close()
    it = script(["1"], "done")
    Agent(chat_generator=it.model, tools=[tool]).run(ASKED)
    assert "The sandbox cannot be used" in it.answers[0] and "client" not in it.answers[0]


def test_options(codemode: Codemode) -> None:
    results: list[ExecutionResult] = []
    tool = codemode.as_haystack_tool(["later"], name="python", description="Runs Python.", on_result=results.append)
    assert (tool.name, tool.description) == ("python", "Runs Python.")
    assert tool.invoke(code="tools.later(text='x')") == {"result": "x"} and results[0].result == "x"
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        codemode.as_haystack_tool(["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        codemode.as_haystack_tool(execution_timeut=3)


def test_a_tool_cannot_be_saved(codemode: Codemode) -> None:
    pipeline = Pipeline()
    agent = Agent(chat_generator=MockChatGenerator("done"), tools=[codemode.as_haystack_tool()])
    pipeline.add_component("agent", agent)
    with pytest.raises(ValueError, match="'codemode' has a client, which no file can hold"):
        pipeline.dumps()
