"""Real runs of DSPy's modules that act by code: what they run, what they read, and what the application sees of it."""

from __future__ import annotations

import threading
from typing import Any

import dspy
import pytest

from codemode import Codemode
from codemode.core import ComponentNotFoundError
from codemode.integrations.dspy import CodemodeInterpreter
from frameworks.application import PAY, WEATHER, Application


def double(number: int) -> int:
    """Doubles."""
    return number * 2


async def later(text: str) -> str:
    """The text, from an event loop."""
    return text


def test_a_run_calls_its_tools_and_registered_ones(
    codemode: Codemode, application: Application, scripted: Any, run: Any
) -> None:
    """Two steps, of which the second finds the values of the first."""
    first = f"words = document.split()\nprint(double(4), double(number=5), later('x'), {WEATHER}, weather('Rome'))"
    model = scripted(first, "SUBMIT(len(words), mean=2.5)", "SUBMIT(count=len(words), mean=2.5)")
    rlm = dspy.RLM(
        "document -> count: int, mean: float",
        tools=[double, later],
        interpreter_factory=CodemodeInterpreter.factory(codemode),
    )
    done = run(model, rlm, document="one two three")
    assert (done.count, done.mean) == (3, 2.5)
    assert run.outputs[0] == "8 10 x {'temperature': 21.5} {'temperature': 21.5}"
    assert application.calls == [("weather", "Oslo"), ("weather", "Rome")]
    assert "def weather(self, *, city: str)" in model.told and "The code is run by CPython" in model.told
    assert "are kept for the next run" in model.told


def test_the_module_asks_its_model_from_code(codemode: Codemode, scripted: Any, run: Any) -> None:
    model = scripted("SUBMIT(llm_query('Who wrote it?'))", {"text": "Ada"})
    rlm = dspy.RLM("document -> answer", interpreter_factory=CodemodeInterpreter.factory(codemode))
    assert "Ada" in run(model, rlm, document="…").answer


def test_a_factory_for_every_module(codemode: Codemode, scripted: Any, run: Any) -> None:
    with dspy.context(interpreter_factory=CodemodeInterpreter.factory(codemode)):
        assert run(scripted("SUBMIT(document)"), dspy.RLM("document -> answer"), document="x").answer == "x"


def test_a_run_that_may_not_call_every_tool(
    codemode: Codemode, application: Application, scripted: Any, run: Any
) -> None:
    model = scripted(PAY, "pay('Ada')", f"SUBMIT({WEATHER}['temperature'])")
    rlm = dspy.RLM("day -> warmth: float", interpreter_factory=CodemodeInterpreter.factory(codemode, iter(["weather"])))
    assert run(model, rlm, day="today").warmth == 21.5 and application.calls == [("weather", "Oslo")]
    assert "there is no tool 'pay'" in run.outputs[0] and "name 'pay' is not defined" in run.outputs[1]
    assert "def pay(" not in model.told


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application, scripted: Any, run: Any) -> None:
    """The model reads where its code failed and which tools ran already, and does only the rest."""
    failing = "def half(x): return x / 2\nreceipt = pay('Ada')\n{'temperature': 3}['temprature']"
    model = scripted(failing, "half(3)", "SUBMIT(receipt)")
    rlm = dspy.RLM("order -> receipt", interpreter_factory=CodemodeInterpreter.factory(codemode))
    assert run(model, rlm, order="7").receipt == "paid Ada" and application.calls == [("pay", "Ada")]
    assert "line 3, in <module>" in run.outputs[0] and "KeyError: 'temprature'" in run.outputs[0]
    assert "already ran; running the code again repeats them: pay (ok)" in run.outputs[0]
    assert "not kept: half (function)" in run.outputs[0]
    assert "NameError: name 'half' is not defined" in run.outputs[1] and "write them again" in run.outputs[1]


@pytest.mark.filterwarnings("ignore:ProgramOfThought is deprecated:DeprecationWarning")
def test_a_program_of_thought(codemode: Codemode, scripted: Any) -> None:
    model = scripted(
        {"reasoning": "a", "generated_code": "```python\nSUBMIT({'answer': nmber * 2})\n```"},
        {"reasoning": "b", "generated_code": "```python\nSUBMIT({'answer': 3 * 2})\n```"},
        {"reasoning": "c", "answer": "6"},
    )
    module = dspy.ProgramOfThought("question -> answer", interpreter_factory=CodemodeInterpreter.factory(codemode))
    with dspy.context(lm=model):
        assert module(question="3 * 2?").answer == "6"
    prompts = [call["messages"][-1]["content"] for call in model.history]
    assert "name 'nmber' is not defined" in prompts[1] and '{"output": {"answer": 6}}' in prompts[2]


def test_runs_at_once(codemode: Codemode, scripted: Any) -> None:
    """Each program's tool waits for those of the two others; nor do they share names."""
    rlm = dspy.RLM("who -> met", interpreter_factory=CodemodeInterpreter.factory(codemode))
    met: dict[str, str] = {}

    def meet(who: str) -> None:
        with dspy.context(lm=scripted("mine = meet(who)", "SUBMIT(mine)")):
            met[who] = rlm(who=who).met

    threads = [threading.Thread(target=meet, args=(who,)) for who in "abc"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert met == {"a": "a", "b": "b", "c": "c"}


def test_what_is_wrong_is_told_before_a_run(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        CodemodeInterpreter.factory(codemode, ["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        CodemodeInterpreter.factory(codemode, execution_timeut=3)  # type: ignore[call-arg]
