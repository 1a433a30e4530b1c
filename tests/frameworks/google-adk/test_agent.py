"""Real agents with the tool: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.tools import FunctionTool

from codemode import Codemode, RuntimeContext
from codemode.core import ComponentNotFoundError
from frameworks.application import PAY, WEATHER, Application


def agent(model: Any, *tools: Any) -> LlmAgent:
    return LlmAgent(name="analyst", model=model, tools=list(tools))


def test_an_agent_runs_code_that_calls_a_registered_tool(
    codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    model = scripted.of([f"print('asked')\n{WEATHER}['temperature'] + 1"], said)
    (last,) = run(agent(model, codemode.as_google_adk_tool()))
    assert json.loads(last) == [{"result": 22.5, "stdout": "asked\n"}]
    assert application.calls == [("weather", "Oslo")]
    # How the code is to be written comes with the tool.
    assert "def weather(self, *, city: str)" in model.told and "The code is run by CPython" in model.told


def test_an_agent_that_may_not_call_every_tool(
    codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    model = scripted.of([PAY], [WEATHER], said)
    run(agent(model, codemode.as_google_adk_tool(["weather"])))
    assert application.calls == [("weather", "Oslo")] and "def pay(" not in model.told
    assert "there is no tool 'pay'" in model.answers[0]["error"]
    assert model.answers[1] == {"result": {"temperature": 21.5}}


def test_a_run_that_fails_and_recovers(
    codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(answers: list[Any]) -> list[str]:
        (answer,) = answers
        assert list(answer) == ["error"]
        assert "line 2, in <module>" in answer["error"] and "KeyError: 'temprature'" in answer["error"]
        assert "already ran; running the code again repeats them: pay (ok)" in answer["error"]
        return ["{'temperature': 3}['temperature']"]

    model = scripted.of(["tools.pay(to='Ada')\n{'temperature': 3}['temprature']"], corrected, said)
    (last,) = run(agent(model, codemode.as_google_adk_tool()))
    assert json.loads(last)[1] == {"result": 3} and application.calls == [("pay", "Ada")]


def test_calls_of_one_turn_and_users_at_once(codemode: Codemode, scripted: Any, run: Any, said: Any) -> None:
    """Each program's tool waits for those of the two others, so no call holds the event loop."""
    model = scripted.of([f"tools.meet(who='{who}')" for who in "abc"], said)
    (last,) = run(agent(model, codemode.as_google_adk_tool()))
    assert json.loads(last) == [{"result": "a"}, {"result": "b"}, {"result": "c"}]


def test_tools_see_who_asks(scripted: Any, run: Any, said: Any) -> None:
    seen: list[dict[str, Any]] = []

    class Whoami:
        name = "whoami"
        description = "Who asks."

        def run_with_context(self, context: RuntimeContext) -> str:
            seen.append({**context.variables, **context.metadata})
            return str(context.require("user_id"))

    with Codemode() as client:
        client.registry.register_tool(Whoami())
        model = scripted.of(["tools.whoami()", "'session_id' in context"], said)
        run(agent(model, client.with_context(tier="gold").as_google_adk_tool()), "grace")
        tool = client.as_google_adk_tool(context={"user_id": "fixed"})
        run(agent(scripted.of(["tools.whoami()"], said), tool), "grace")
    first, second = seen
    assert model.answers == [{"result": "grace"}, {"result": False}] and first.pop("invocation_id")
    assert first == {"user_id": "grace", "app_name": "shop", "session_id": "of-grace", "tier": "gold"}
    assert second["user_id"] == "fixed"


def test_a_call_of_the_tool_alone(codemode: Codemode) -> None:
    tool = codemode.as_google_adk_tool(["later"], name="python", description="Runs Python.")
    assert (tool.name, tool.description) == ("python", "Runs Python.")
    assert isinstance(tool, FunctionTool) and tool.as_function_tool() is tool
    schema = tool._get_declaration().parameters_json_schema
    assert schema["required"] == ["code"] and schema["properties"]["code"]["description"] == tool._tool.code_description


def test_what_a_model_writes_instead_of_code(codemode: Codemode, scripted: Any, run: Any, said: Any) -> None:
    model = scripted.of([7], ["x = 1"], ["```python\n1 + 1\n```"], said)
    (last,) = run(agent(model, codemode.as_google_adk_tool()))
    first, *others = json.loads(last)
    assert "one string of Python code" in first["error"] and others == [{"result": None}, {"result": 2}]


def test_an_executor_that_is_gone_is_told_to_the_model(scripted: Any, run: Any, said: Any) -> None:
    """Where the executor is stays between the application and its log."""
    client = Codemode()
    tool = client.as_google_adk_tool()
    client.close()
    model = scripted.of(["1"], said)
    run(agent(model, tool))
    assert "The sandbox cannot be used" in model.answers[0]["error"] and "client" not in model.answers[0]["error"]


def test_what_is_wrong_is_told_before_an_agent_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        codemode.as_google_adk_tool(["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        codemode.as_google_adk_tool(execution_timeut=3)
