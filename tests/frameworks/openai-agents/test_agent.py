"""Real agents, whose models follow a script: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, Runner
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from frameworks.application import PAY, WEATHER, Application


def answers(call: ModelCall) -> list[str]:
    """What the tool said so far."""
    return [item["output"] for item in call.input if item.get("type") == "function_call_output"]


def code(*programs: str) -> list[Any]:
    return [function_call("codemode", {"code": program}, call_id=program) for program in programs]


LAST = ModelStep.respond(lambda call: [assistant_message(answers(call)[-1])])


def agent(model: ScriptedModel, tool: Any) -> Agent:
    return Agent(name="Analyst", instructions="Run code.", tools=[tool], model=model)


def run(model: ScriptedModel, tool: Any) -> str:
    done = str(Runner.run_sync(agent(model, tool), "Do it.").final_output)
    model.assert_complete()
    return done


def test_an_agent_runs_code_that_calls_a_registered_tool(codemode: Codemode, application: Application) -> None:
    model = ScriptedModel([code(f"print('asked')\n{WEATHER}['temperature'] + 1"), LAST])
    assert run(model, codemode.as_openai_agents_tool()) == "Result: 22.5\nPrinted: asked"
    assert application.calls == [("weather", "Oslo")]
    assert model.first_call
    (tool,) = model.first_call.tools
    schema = tool.params_json_schema
    assert tool.strict_json_schema and schema["required"] == ["code"] and schema["additionalProperties"] is False
    assert "def weather(self, *, city: str)" in schema["properties"]["code"]["description"]


def test_two_agents_with_different_tools(codemode: Codemode, application: Application) -> None:
    analyst, clerk = ScriptedModel([code(PAY), code(WEATHER), LAST]), ScriptedModel([code(WEATHER), code(PAY), LAST])
    with Codemode(registry=application.registry.scoped(["pay"])) as scoped:
        run(analyst, codemode.as_openai_agents_tool(["weather"]))
        assert run(clerk, scoped.as_openai_agents_tool()) == "paid Ada"
    assert application.calls == [("weather", "Oslo"), ("pay", "Ada")]
    told = [answers(model.last_call)[0] for model in (analyst, clerk) if model.last_call]
    assert "there is no tool 'pay'" in told[0] and "there is no tool 'weather'" in told[1]


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(call: ModelCall) -> list[Any]:
        (failed,) = answers(call)
        assert "line 2, in <module>" in failed and "KeyError: 'temprature'" in failed
        assert "already ran; running the code again repeats them: pay (ok)" in failed
        return code("{'temperature': 3}['temperature']")

    model = ScriptedModel([code(f"{PAY}\n{{'temperature': 3}}['temprature']"), ModelStep.respond(corrected), LAST])
    assert run(model, codemode.as_openai_agents_tool()) == "3" and application.calls == [("pay", "Ada")]


@pytest.mark.parametrize("arguments", ["", "{", "[]", '{"program": "1"}', '{"code": 1}', "null", '{"code": null}'])
def test_arguments_that_are_none(codemode: Codemode, arguments: str) -> None:
    model = ScriptedModel([[function_call("codemode", arguments, call_id="wrong")], code("1"), LAST])
    assert run(model, codemode.as_openai_agents_tool()) == "1"
    assert model.last_call
    assert answers(model.last_call)[0] == "The argument `code` has to be one string of Python code. Nothing ran."


def test_calls_of_one_turn_run_at_the_same_time(codemode: Codemode) -> None:
    """Each program's tool waits for those of the two others; all on one event loop."""
    model = ScriptedModel([code(*(f"tools.meet(who='{who}')" for who in "abc")), LAST])
    run(model, codemode.as_openai_agents_tool())
    assert model.last_call
    assert answers(model.last_call) == ["a", "b", "c"]


def test_async_tools_run_on_the_agents_loop(codemode: Codemode) -> None:
    seen: list[object] = []

    async def where() -> str:
        """Where it runs."""
        seen.append(asyncio.get_running_loop())
        return "here"

    codemode.registry.register_tool(where)

    async def main() -> None:
        model = ScriptedModel([code("tools.where()"), LAST])
        done = await Runner.run(agent(model, codemode.as_openai_agents_tool()), "Do it.")
        assert done.final_output == "here" and seen == [asyncio.get_running_loop()]

    asyncio.run(main())


def test_a_stream(codemode: Codemode) -> None:
    async def main() -> None:
        stream = Runner.run_streamed(agent(ScriptedModel([code("6 * 7"), LAST]), codemode.as_openai_agents_tool()), "?")
        outputs = [
            event.item.output async for event in stream.stream_events() if getattr(event, "name", "") == "tool_output"
        ]
        assert outputs == ["42"] and stream.final_output == "42"

    asyncio.run(main())


def test_the_application_gets_each_result_whole(codemode: Codemode) -> None:
    results: list[ExecutionResult] = []
    tool = codemode.as_openai_agents_tool(["later"], name="python", context={"user": "ada"}, on_result=results.append)
    model = ScriptedModel(
        [[function_call("python", {"code": "[context['user'], tools.later(text='x')]"}, call_id="1")], LAST]
    )
    assert run(model, tool) == '["ada", "x"]' and results[0].result == ["ada", "x"]


def test_an_executor_that_is_gone_is_text_for_the_model() -> None:
    client = Codemode()
    tool = client.as_openai_agents_tool()
    client.close()
    told = run(ScriptedModel([code("1"), LAST]), tool)
    assert "cannot be used" in told and "client" not in told


def test_what_is_wrong_is_told_before_an_agent_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        codemode.as_openai_agents_tool(["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        codemode.as_openai_agents_tool(execution_timeut=3)
