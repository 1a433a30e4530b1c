"""The interpreter by itself: what DSPy's protocol promises of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dspy.primitives import CodeInterpreter, FinalOutput
from dspy.primitives.code_interpreter import CodeExecutionError, CodeInterpreterError

from codemode import Codemode
from codemode.integrations.dspy import CodemodeInterpreter


@pytest.fixture
def interpreter(codemode: Codemode) -> Iterator[CodemodeInterpreter]:
    made = CodemodeInterpreter(codemode)
    yield made
    made.shutdown()


def test_it_is_one(interpreter: CodemodeInterpreter) -> None:
    assert isinstance(interpreter, CodeInterpreter)


def test_what_an_execution_comes_to(interpreter: CodemodeInterpreter) -> None:
    assert interpreter.execute("x = 1") is None
    assert interpreter.execute("print(x)") == "1"
    assert interpreter.execute("[x, y]", {"y": 2}) == "[1, 2]"
    # Of the names that DSPy gives, the newest holds; the others stay.
    assert interpreter.execute("[x, y]", {"y": 3}) == "[1, 3]" and interpreter.execute("y") == "3"


@pytest.mark.parametrize("code", ["1 +", "if True:\npass", "x = 1\n\tx"])
def test_code_that_is_none(code: str, interpreter: CodemodeInterpreter) -> None:
    with pytest.raises(SyntaxError, match=r"line \d"):
        interpreter.execute(code)


def test_code_that_fails(interpreter: CodemodeInterpreter) -> None:
    with pytest.raises(CodeExecutionError, match="ZeroDivisionError"):
        interpreter.execute("1 / 0")
    assert interpreter.execute("1") == "1"


@pytest.mark.parametrize(
    ("program", "output"),
    [
        ("SUBMIT(1, [2])\nprint('too late')", {"a": 1, "b": [2]}),
        ("SUBMIT(b={1}, a=2**70)", {"a": 2**70, "b": {1}}),
        ("try:\n    SUBMIT(1, 2)\nexcept Exception:\n    SUBMIT(3, 4)", {"a": 1, "b": 2}),
    ],
)
def test_what_is_submitted(program: str, output: object, interpreter: CodemodeInterpreter) -> None:
    interpreter.output_fields = [{"name": "a", "type": "int"}, {"name": "b"}]
    assert interpreter.execute(program) == FinalOutput(output)


def test_an_int_that_has_no_text(interpreter: CodemodeInterpreter) -> None:
    """DSPy makes a text of what is submitted, outside of what it guards."""
    with pytest.raises(CodeExecutionError, match="too many digits"):
        interpreter.execute("SUBMIT([10**5000])")
    assert str(interpreter.execute("10**5000")).startswith("1000")


def test_what_is_submitted_without_fields(interpreter: CodemodeInterpreter) -> None:
    assert interpreter.execute("SUBMIT({'answer': 4})") == FinalOutput({"output": {"answer": 4}})


def test_fields_that_do_not_fit(interpreter: CodemodeInterpreter) -> None:
    interpreter.output_fields = [{"name": "answer"}]
    with pytest.raises(CodeExecutionError, match=r"answr.*answer"):
        interpreter.execute("SUBMIT(answr=1)")
    with pytest.raises(CodeExecutionError, match="at most 1"):
        interpreter.execute("SUBMIT(1, 2)")


def test_tools_that_change_between_executions(interpreter: CodemodeInterpreter) -> None:
    interpreter.tools["shout"] = lambda text, times=1: text.upper() * times
    assert interpreter.execute("shout('a') + shout('b', 2) + shout(text='c', times=1)") == "ABBC"
    interpreter.tools["shout"] = lambda text: f"{text}!"
    assert interpreter.execute("shout('a')") == "a!"
    del interpreter.tools["shout"]
    with pytest.raises(CodeExecutionError, match="name 'shout' is not defined"):
        interpreter.execute("shout('a')")


def test_what_the_code_cannot_mend(interpreter: CodemodeInterpreter) -> None:
    """It goes to the application, and to no model."""
    with pytest.raises(CodeInterpreterError, match="variables cannot have 'tools'") as raised:
        interpreter.execute("1", {"tools": 1})
    assert type(raised.value) is CodeInterpreterError


def test_after_its_end(codemode: Codemode) -> None:
    interpreter = CodemodeInterpreter(codemode)
    interpreter.start()
    interpreter.execute("x = 1")
    interpreter.shutdown()
    interpreter.shutdown()
    for use in (interpreter.start, lambda: interpreter.execute("x")):
        with pytest.raises(CodeInterpreterError, match="was shut down"):
            use()


def test_an_executor_that_is_gone() -> None:
    with Codemode() as client:
        interpreter = CodemodeInterpreter(client)
    with pytest.raises(CodeInterpreterError, match="create a new one"):
        interpreter.execute("1")
