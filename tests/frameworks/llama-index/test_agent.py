"""Real agents that act by code: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import CodeActAgent
from llama_index.core.workflow import Context, JsonSerializer

from codemode import Codemode
from codemode.core import ComponentNotFoundError
from codemode.integrations.llama_index import CodeResult, code_execute_fn, system_prompt
from frameworks.application import PAY, WEATHER, Application


@pytest.mark.parametrize("streaming", [True, False])
def test_an_agent_runs_code_that_calls_a_registered_tool(
    streaming: bool, codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    model = scripted.of(f"print('asked')\n{WEATHER}['temperature'] + 1", said)
    answer = run(model, code_execute_fn(codemode), streaming=streaming, system_prompt=system_prompt(codemode))
    assert answer == "Result: 22.5\nPrinted: asked" and application.calls == [("weather", "Oslo")]
    assert "def weather(self, *, city: str)" in model.told and "The code is run by CPython" in model.told
    # One promise, and not also the opposite.
    assert "are kept for the next run" in model.told and "Nothing is kept" not in model.told


def test_tools_by_the_names_that_the_agent_is_told(
    codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    """LlamaIndex shows the functions of `tools=` to the model, and leaves calling them to what runs the code."""
    model = scripted.of("weather('Oslo')['temperature'] + float((await weather(city='Rome'))['temperature'])", said)
    answer = run(model, code_execute_fn(codemode), tools=[application.weather])
    assert answer == "43.0" and application.calls == [("weather", "Oslo"), ("weather", "Rome")]
    assert "def weather(city: " in model.told


def test_what_the_next_run_finds(codemode: Codemode, scripted: Any, run: Any, said: Any) -> None:
    """Values stay. A function does not, which the model reads as soon as it makes one, and when it misses it."""

    def without_the_function(answers: list[str]) -> str:
        assert "not kept: double (function)" in answers[0]
        return "seen.append(3)\ndouble(seen[0])"

    def corrected(answers: list[str]) -> str:
        assert "NameError: name 'double' is not defined" in answers[1]
        assert answers[1].endswith("write them again in each run that uses them.")
        return "[each * 2 for each in seen]"

    first = "seen = {1: [2]}[1]\ndef double(x): return x * 2\ndouble(seen[0])"
    model = scripted.of(first, without_the_function, corrected, said)
    # What the code did before it failed is kept as well.
    assert run(model, code_execute_fn(codemode)) == "[4, 6]"


def test_an_agent_that_may_not_call_every_tool(
    codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    model = scripted.of(PAY, "pay(to='Ada')", WEATHER, said)
    answer = run(model, code_execute_fn(codemode, ["weather"]), system_prompt=system_prompt(codemode, ["weather"]))
    assert answer == '{"temperature": 21.5}' and application.calls == [("weather", "Oslo")]
    assert "there is no tool 'pay'" in model.answers[0] and "name 'pay' is not defined" in model.answers[1]
    assert "def pay(" not in model.told


def test_a_run_that_fails_and_recovers(
    codemode: Codemode, application: Application, scripted: Any, run: Any, said: Any
) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(answers: list[str]) -> str:
        assert "line 2, in <module>" in answers[0] and "KeyError: 'temprature'" in answers[0]
        assert "already ran; running the code again repeats them: pay (ok)" in answers[0]
        return "receipt + str({'temperature': 3}['temperature'])"

    model = scripted.of("receipt = pay('Ada')\n{'temperature': 3}['temprature']", corrected, said)
    assert run(model, code_execute_fn(codemode)) == "paid Ada3" and application.calls == [("pay", "Ada")]


def test_agents_at_once(codemode: Codemode) -> None:
    """Each program's tool waits for those of the two others, so none holds the event loop; nor do they share names."""

    async def all_three() -> list[list[CodeResult]]:
        functions = {who: code_execute_fn(codemode) for who in "abc"}
        met = await asyncio.gather(*(run(f"who = meet('{who}')\nwho") for who, run in functions.items()))
        return [met, await asyncio.gather(*(run("who") for run in functions.values()))]

    for results in asyncio.run(all_three()):
        assert [result["result"] for result in results] == ["a", "b", "c"]


def test_time_that_is_up_takes_no_values(codemode: Codemode) -> None:
    async def three() -> list[CodeResult]:
        run = code_execute_fn(codemode, execution_timeout=1)
        return [await run(code) for code in ("kept = 7", "kept = 8\nwhile True: pass", "kept")]

    _, late, last = asyncio.run(three())
    assert "Timeout" in late["error"] and last == {"result": 7}


def test_each_run_anew(codemode: Codemode) -> None:
    async def two() -> list[CodeResult]:
        run = code_execute_fn(codemode, keep_variables=False, variables={"rate": 2})
        return [await run("mine = rate\nmine"), await run("[rate, mine]")]

    first, second = asyncio.run(two())
    assert first == {"result": 2} and "name 'mine' is not defined" in second["error"] and "kept" not in str(second)
    assert "Nothing is kept between two runs." in system_prompt(codemode, keep_variables=False)


@pytest.mark.filterwarnings("ignore:Skipping serialization")
def test_a_conversation_that_is_saved(codemode: Codemode, scripted: Any, said: Any) -> None:
    """The context of a workflow, which has what the code came to, can be written and read again."""
    agent = CodeActAgent(
        code_execute_fn=code_execute_fn(codemode), llm=scripted.of("seen = [1]\nseen", said, "seen", said)
    )

    async def saved() -> str:
        context = Context(agent)
        await agent.run(user_msg="Do it.", ctx=context)
        text = json.dumps(context.to_dict(serializer=JsonSerializer()))
        restored = Context.from_dict(agent, json.loads(text), serializer=JsonSerializer())
        return str(await agent.run(user_msg="Again.", ctx=restored))

    assert asyncio.run(saved()) == "I know it: [1]"


def test_names_that_the_code_may_not_leave_behind(codemode: Codemode) -> None:
    """What the code sends back is its own word: it must not keep the next run from beginning."""

    async def two() -> CodeResult:
        run = code_execute_fn(codemode)
        await run("tools = context = config = ToolError = 1\nmine = 2\nglobals()['class'] = globals()['__x__'] = 3")
        return await run("[mine, weather('Oslo')['temperature'], callable(tools.weather.run)]")

    assert asyncio.run(two()) == {"result": [2, 21.5, True]}


def test_an_executor_that_is_gone() -> None:
    async def refused() -> CodeResult:
        with Codemode() as client:
            run = code_execute_fn(client)
        return await run("1")

    assert "The sandbox cannot be used" in asyncio.run(refused())["error"]


def test_what_is_wrong_is_told_before_an_agent_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        code_execute_fn(codemode, ["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        code_execute_fn(codemode, execution_timeut=3)  # type: ignore[call-arg]
