"""Real agents, whose models follow a script: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from frameworks.application import PAY, WEATHER, Application
from frameworks.langchain.agents import Scripted, agent, ask, of_tools


def test_an_agent_runs_code_that_calls_a_registered_tool(
    kind: str, codemode: Codemode, application: Application
) -> None:
    model = Scripted.of([f"print('asked')\n{WEATHER}['temperature'] + 1"], lambda answers: answers[0])
    messages = ask(agent(kind, model, codemode.as_langchain_tool()))
    assert messages[-1].content == "Result: 22.5\nPrinted: asked" and application.calls == [("weather", "Oslo")]
    (answer,) = of_tools(messages)
    assert isinstance(answer.artifact, ExecutionResult)
    assert (answer.status, answer.artifact.result, answer.artifact.stdout) == ("success", 22.5, "asked\n")
    assert "def weather(self, *, city: str)" in model.told[0].args["code"]["description"]


def test_two_agents_with_different_tools(kind: str, codemode: Codemode, application: Application) -> None:
    analyst, clerk = Scripted.of([PAY], [WEATHER], "done"), Scripted.of([WEATHER], [PAY], "done")
    with Codemode(registry=application.registry.scoped(["pay"])) as scoped:
        ask(agent(kind, analyst, codemode.as_langchain_tool(["weather"])))
        ask(agent(kind, clerk, scoped.as_langchain_tool()))
    assert application.calls == [("weather", "Oslo"), ("pay", "Ada")]
    assert "there is no tool 'pay'" in analyst.answers[0] and "there is no tool 'weather'" in clerk.answers[0]


def test_a_run_that_fails_and_recovers(kind: str, codemode: Codemode, application: Application) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(answers: list[str]) -> list[str]:
        assert "line 2, in <module>" in answers[0] and "KeyError: 'temprature'" in answers[0]
        assert "already ran; running the code again repeats them: pay (ok)" in answers[0]
        return ["{'temperature': 3}['temperature']"]

    model = Scripted.of([f"{PAY}\n{{'temperature': 3}}['temprature']"], corrected, lambda answers: answers[-1])
    messages = ask(agent(kind, model, codemode.as_langchain_tool()))
    failed, done = of_tools(messages)
    assert (failed.status, failed.artifact.error.error_type, done.status) == ("error", "KeyError", "success")
    assert messages[-1].content == "3" and application.calls == [("pay", "Ada")]


def test_arguments_that_are_none(kind: str, codemode: Codemode) -> None:
    tool = codemode.as_langchain_tool()
    tool.name = "python"
    model = Scripted.of(["1"], "done")
    (answer,) = of_tools(ask(agent(kind, model, tool)))
    assert answer.status == "error" and "codemode is not a valid tool" in answer.content


def test_calls_of_one_turn_run_at_the_same_time(kind: str, codemode: Codemode) -> None:
    """Each program's tool waits for those of the two others; in the second run, on one event loop."""
    programs = [f"tools.meet(who='{who}')" for who in "abc"]
    first, second = Scripted.of(programs, "done"), Scripted.of(programs, "done")
    ask(agent(kind, first, codemode.as_langchain_tool()))
    asyncio.run(agent(kind, second, codemode.as_langchain_tool()).ainvoke({"messages": [("user", "Do it.")]}))
    assert first.answers == second.answers == ["a", "b", "c"]


def test_async_tools_run_on_the_agents_loop(kind: str, codemode: Codemode) -> None:
    seen: list[object] = []

    async def where() -> str:
        """Where it runs."""
        seen.append(asyncio.get_running_loop())
        return "here"

    codemode.registry.register_tool(where)
    model = Scripted.of(["tools.where()"], lambda answers: answers[0])

    async def run() -> None:
        done = await agent(kind, model, codemode.as_langchain_tool()).ainvoke({"messages": [("user", "Do it.")]})
        assert done["messages"][-1].content == "here" and seen == [asyncio.get_running_loop()]

    asyncio.run(run())


@pytest.mark.parametrize("value", ["2 ** 70", "1j", "{1, 2}", "object()", "b'\\xff'", "{'a': 1}"])
def test_checkpoints_have_the_result_as_plain_values(kind: str, codemode: Codemode, value: str) -> None:
    """Whatever code returns, the conversation can be kept."""
    model = Scripted.of([f"open('/outputs/a.bin', 'wb').write(b'\\xff')\n{value}"], "done")
    kept = agent(kind, model, codemode.as_langchain_tool(), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    (now,) = of_tools(ask(kept, config=config))
    (then,) = of_tools(kept.get_state(config).values["messages"])
    assert then.artifact["result_json"] == now.artifact.result_json and "result" not in then.artifact
    assert then.artifact["success"] and then.artifact["artifacts"][0]["path"] == "a.bin"
    assert then.model_dump_json()


def test_a_call_of_the_tool_alone(codemode: Codemode) -> None:
    tool = codemode.as_langchain_tool(["later"], name="python", description="Runs Python.", context={"user": "ada"})
    assert (tool.name, tool.description) == ("python", "Runs Python.")
    assert tool.invoke({"code": "[context['user'], tools.later(text='x')]"}) == '["ada", "x"]'
    assert asyncio.run(tool.ainvoke({"code": "1 / 0"})).startswith("The code failed")


def test_an_executor_that_is_gone_is_a_failure_and_no_exception() -> None:
    client = Codemode()
    tool = client.as_langchain_tool()
    client.close()
    answer = tool.invoke({"type": "tool_call", "id": "1", "name": "codemode", "args": {"code": "1"}})
    assert (answer.status, answer.artifact) == ("error", None)
    assert "cannot be used" in answer.content and "client" not in answer.content


def test_what_is_wrong_is_told_before_an_agent_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        codemode.as_langchain_tool(["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        codemode.as_langchain_tool(execution_timeut=3)
