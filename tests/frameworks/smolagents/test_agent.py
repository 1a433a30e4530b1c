"""Real agents that act by code: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import copy
import datetime
import threading
from typing import Any

import pytest
from smolagents import CodeAgent, Tool, tool
from smolagents.local_python_executor import InterpreterError

from codemode import Codemode, ConfigError
from codemode.core import ComponentNotFoundError
from codemode.integrations.smolagents import CodemodePythonExecutor
from frameworks.application import PAY, WEATHER, Application


class Search(Tool):
    """What it was asked, in this process."""

    name = "web_search"
    description = "Searches."
    inputs = {  # noqa: RUF012 as smolagents wants it
        "query": {"type": "string", "description": "What for."},
        "most": {"type": "integer", "description": "How many.", "nullable": True},
    }
    output_type = "array"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Any]] = []

    def forward(self, query: str, most: int | None = None) -> list[str]:
        self.asked.append((query, most))
        return [f"{query} {number}" for number in range(most or 1)]


def test_an_agent_runs_code_that_calls_its_tools_and_registered_ones(
    codemode: Codemode, application: Application, scripted: Any, run: Any
) -> None:
    """By the names that smolagents tells the model, by position and by keyword."""
    search, executor = Search(), CodemodePythonExecutor(codemode)
    called = f"[found[1], {WEATHER}['temperature'], weather('Rome')]"
    model = scripted(f"found = web_search('snow', most=2)\nprint(found)\nfinal_answer({called})")
    answer = run(model, executor, search, instructions=executor.prompt)
    assert answer == ["snow 1", 21.5, {"temperature": 21.5}] and search.asked == [("snow", 2)]
    assert application.calls == [("weather", "Oslo"), ("weather", "Rome")]
    assert "def web_search(query: string, most: integer)" in model.told
    assert "def weather(self, *, city: str)" in model.told and "The code is run by CPython" in model.told
    assert not run.errors


def test_what_the_next_step_finds(codemode: Codemode, scripted: Any, run: Any) -> None:
    """Values stay. An import does not, which the model reads as soon as it makes one, and when it misses it."""

    def without_the_import(answers: list[str]) -> str:
        assert "not kept: math (module)" in answers[0] and answers[0].endswith("Last output from code snippet:\n3")
        return "seen.append(4)\nmath.floor(seen[0])"

    def corrected(answers: list[str]) -> str:
        assert "NameError: name 'math' is not defined" in answers[1] and "write them again in each run" in answers[1]
        return "import math\nfinal_answer([math.ceil(each) for each in seen])"

    model = scripted("import math\nseen = [2.5]\nmath.ceil(seen[0])", without_the_import, corrected)
    assert run(model, CodemodePythonExecutor(codemode)) == [3, 4]


def test_a_name_of_a_tool_stays_the_tools(codemode: Codemode, scripted: Any, run: Any) -> None:
    """Code may take it for its own step, and not the way to the final answer from those that follow."""

    def told(answers: list[str]) -> str:
        assert "`final_answer` was given another value, which is not kept" in answers[0]
        return "final_answer(web_search(str(weather['temperature'])))"

    model = scripted("final_answer = 5\nweather = weather('Oslo')\nweather", told)
    assert run(model, CodemodePythonExecutor(codemode), Search()) == ["21.5 0"]


def test_an_agent_that_may_not_call_every_tool(
    codemode: Codemode, application: Application, scripted: Any, run: Any
) -> None:
    executor = CodemodePythonExecutor(codemode, iter(["weather"]))
    model = scripted(PAY, "pay('Ada')", f"final_answer({WEATHER})")
    assert run(model, executor, instructions=executor.prompt) == {"temperature": 21.5}
    assert application.calls == [("weather", "Oslo")] and "def pay(" not in model.told
    assert "there is no tool 'pay'" in model.answers[0] and "name 'pay' is not defined" in model.answers[1]


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application, scripted: Any, run: Any) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""

    def corrected(answers: list[str]) -> str:
        assert "line 2, in <module>" in answers[0] and "KeyError: 'temprature'" in answers[0]
        assert "already ran; running the code again repeats them: pay (ok)" in answers[0]
        return "final_answer(receipt + str({'temperature': 3}['temperature']))"

    model = scripted("receipt = pay('Ada')\n{'temperature': 3}['temprature']", corrected)
    assert run(model, CodemodePythonExecutor(codemode)) == "paid Ada3" and application.calls == [("pay", "Ada")]


@pytest.mark.parametrize(
    "program",
    [
        "final_answer(1)\nweb_search('too late')",
        "for each in (1, 2):\n    final_answer(each)\nweb_search('too late')",
        "try:\n    final_answer(answer=1)\nexcept Exception:\n    final_answer(2)",
        "final_answer(1)\nraise SystemExit(3)",
    ],
)
def test_the_first_answer_is_the_final_one(program: str, codemode: Codemode, scripted: Any, run: Any) -> None:
    search = Search()
    assert run(scripted(program), CodemodePythonExecutor(codemode), search) == 1 and search.asked == []


def test_an_answer_keeps_its_type(codemode: Codemode, scripted: Any, run: Any) -> None:
    program = "import datetime\nfinal_answer({'at': datetime.date(2026, 1, 2), 'big': 2**70, 'some': {1, 2}})"
    answer = run(scripted(program), CodemodePythonExecutor(codemode))
    assert answer == {"at": datetime.date(2026, 1, 2), "big": 2**70, "some": {1, 2}}


def test_an_int_that_has_no_text(codemode: Codemode, scripted: Any, run: Any) -> None:
    """smolagents makes a text of each output, outside of what it guards."""
    model = scripted("big = 10**5000\nbig", "final_answer(big)", "final_answer(str(big // 10**4990))")
    assert run(model, CodemodePythonExecutor(codemode)) == "10000000000"
    assert "Last output from code snippet:\n1000" in model.answers[0] and "too many digits" in model.answers[1]


def test_a_copy_of_an_agents_executor(codemode: Codemode, scripted: Any, run: Any) -> None:
    """It begins with the same values, and shares neither those that follow nor the way to the final answer."""
    executor = CodemodePythonExecutor(codemode)
    assert run(scripted("seen = [1]\nfinal_answer(seen)"), executor) == [1]
    other = copy.deepcopy(executor)
    assert run(scripted("seen.append(2)\nfinal_answer(seen)"), other) == [1, 2]
    assert run(scripted("seen.append(3)\nfinal_answer(seen)"), executor) == [1, 3]


def test_what_the_application_gives_a_run(codemode: Codemode, scripted: Any) -> None:
    executor = CodemodePythonExecutor(codemode)
    agent = CodeAgent([], scripted("final_answer(sum(prices))"), executor=executor, verbosity_level=0)
    assert agent.run("Add.", additional_args={"prices": [1, 2]}) == 3
    with pytest.raises(ConfigError, match="'tools'"):
        agent.run("Add.", additional_args={"tools": 1})


def test_a_tool_that_fails_or_is_called_wrongly(codemode: Codemode, scripted: Any, run: Any) -> None:
    @tool
    def divide(by: int) -> float:
        """Divides one.

        Args:
            by: By this.
        """
        return 1 / by

    def named(answers: list[str]) -> str:
        assert "divide" in answers[0] and "by*" in answers[0]  # what it takes
        return "divide(0)"

    def caught(answers: list[str]) -> str:
        assert "ToolError" in answers[1] and "division by zero" in answers[1]
        return "final_answer(divide(4))"

    assert run(scripted("divide(from_=3)", named, caught), CodemodePythonExecutor(codemode), divide) == 0.25


def test_a_managed_agent_is_a_tool_too(codemode: Codemode, scripted: Any, run: Any) -> None:
    inner = CodeAgent(
        [],
        scripted("final_answer(6 * 7)"),
        executor=CodemodePythonExecutor(codemode),
        name="counter",
        description="Counts.",
        verbosity_level=0,
    )
    model = scripted("final_answer(counter('Six by seven.'))")
    assert "42" in run(model, CodemodePythonExecutor(codemode), managed_agents=[inner])
    assert "counter" in model.told


def test_a_client_without_tools(scripted: Any, run: Any) -> None:
    with Codemode() as client:
        executor = CodemodePythonExecutor(client)
        model = scripted("final_answer(web_search('snow'))")
        assert run(model, executor, Search(), instructions=executor.prompt) == ["snow 0"]
    assert "The code is run by CPython" in model.told and "There are none" not in model.told


def test_agents_at_once(codemode: Codemode) -> None:
    """Each program's tool waits for those of the two others; nor do they share names."""
    executors = {who: CodemodePythonExecutor(codemode) for who in "abc"}
    met: dict[str, Any] = {}

    def meet(who: str) -> None:
        met[who] = executors[who](f"who = meet('{who}')\nwho").output

    threads = [threading.Thread(target=meet, args=(who,)) for who in "abc"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert met == {"a": "a", "b": "b", "c": "c"} and executors["b"]("who").output == "b"


def test_an_executor_that_is_gone() -> None:
    with Codemode() as client:
        executor = CodemodePythonExecutor(client)
    with pytest.raises(InterpreterError, match="The sandbox cannot be used"):
        executor("1")


def test_what_is_wrong_is_told_before_an_agent_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        CodemodePythonExecutor(codemode, ["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        CodemodePythonExecutor(codemode, execution_timeut=3)  # type: ignore[call-arg]
