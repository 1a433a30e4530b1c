"""What the adapters for agent frameworks share, without any of them: what a model reads, and that it is bounded."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from codemode import Codemode, ComponentRegistry, ConfigError, ExecutionResult
from codemode.integrations._core import Answer, CodeTool, CodeToolOptions, no_python, unfenced
from e2e.processes import children

BOUND = 16_000


def note(text: str) -> str:
    """Writes a note."""
    return text


@pytest.fixture(scope="module")
def client() -> Iterator[Codemode]:
    registry = ComponentRegistry()
    registry.register_tool(note)
    policy = {"limits": {"code_timeout": 2, "memory_limit": "128Mi"}}
    with Codemode.local(policy, registry=registry) as client:
        yield client


def ask(client: Codemode, code: str, **options: Any) -> Answer:
    return CodeTool(client, None, options).run(code)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("2 + 2", "4"),
        ("'four'", "four"),
        ("print('four')", "four"),
        ("pass", "The code ran. It has no result and printed nothing."),
        ("['a', 'b']", '["a", "b"]'),
        ("print('out')\n{'a': 1}", 'Result: {"a": 1}\nPrinted: out'),
        ("import sys\nprint('a\\nb')\nprint('e', file=sys.stderr)", "Printed:\na\nb\nPrinted to stderr: e"),
        (
            "open('/outputs/r.txt', 'w').write('x')",
            "Result: 1\nFiles in /outputs, handed over to the application: r.txt (1 bytes)",
        ),
    ],
)
def test_a_success_as_text(client: Codemode, code: str, text: str) -> None:
    answer = ask(client, code)
    assert (answer.succeeded, answer.code, answer.text) == (True, "ok", text)


@pytest.mark.parametrize(
    ("code", "outcome", "said"),
    [
        ("tools.note(text='x')\ntools.note(text='x')\n1 / 0", "error", [
            "ZeroDivisionError: division by zero\n",
            "\nTool calls that already ran; running the code again repeats them: note (ok) 2 times\n",
            "\nWhat to do: Correct the code and run it again.",
        ]),
        ("print('so far')\nimport time\ntime.sleep(60)", "timeout", ["Printed: so far", "in smaller parts"]),
        ("bytearray(b'x') * (200 << 20)", "memory_limit", ["Hold less in memory"]),
        ("tools.nte(text='x')", "error", ["did you mean 'note'", "What to do: Nothing ran. Correct"]),
        ("", "rejected", ["invalid_code: the code is empty", "What to do: Nothing ran. Correct"]),
    ],
)  # fmt: skip
def test_a_failure_says_what_to_do(client: Codemode, code: str, outcome: str, said: list[str]) -> None:
    answer = ask(client, code)
    assert (answer.succeeded, answer.code, answer.details["outcome"]) == (False, outcome, outcome)
    assert answer.text.startswith("The code failed") and [words for words in said if words not in answer.text] == []


@pytest.mark.parametrize(
    "code",
    [
        "'x' * 1_000_000",
        "['x' * 10] * 100_000",
        "print('x' * 1_000_000)\n'y' * 1_000_000",
        "import sys\nprint('x' * 900_000, file=sys.stderr)\nprint('y' * 900_000)\nraise ValueError('z' * 900_000)",
        "for number in range(300): open(f'/outputs/{\"n\" * 200}{number}', 'w').close()",
        "for _ in range(100): tools.note(text='x')\nraise ValueError",
        "10 ** 5000",
    ],
)
def test_an_answer_is_bounded_and_can_be_sent(client: Codemode, code: str) -> None:
    answer = ask(client, code)
    told = json.dumps(dict(answer.values), ensure_ascii=False).encode()
    assert json.loads(told) == answer.values and answer.text.encode()
    headings = 500
    assert len(answer.text) < BOUND + headings
    assert len(ask(client, code, max_characters=1000).text) < 1000 + headings


def test_what_was_denied_is_not_asked_for_again() -> None:
    registry = ComponentRegistry()
    registry.register_tool(note, approval="ask")
    with Codemode(registry=registry) as client:
        denied = ask(client, "tools.note(text='x')", on_approval=lambda request: False)
        caught = ask(client, "try: tools.note(text='x')\nexcept ToolError: pass", on_approval=lambda request: False)
    assert "denied: the application said no" in denied.text
    assert denied.text.endswith("run it again. What was denied is denied again: go on without it, or say so.")
    assert caught.succeeded and "denied" not in caught.text


def test_beginning_and_end_of_what_is_long_are_kept(client: Codemode) -> None:
    text = ask(client, "print('first')\nprint('x' * 100_000)\nprint('last')").text
    assert text.startswith("first\nxxx") and text.endswith("xxx\nlast") and "cut: 100012 characters in all" in text


def test_half_a_character_is_none(client: Codemode) -> None:
    assert ask(client, "print('a')\n['\\ud800']").values == {"result": ["?"], "stdout": "a\n"}


def test_markdown_around_code_is_taken_off() -> None:
    assert unfenced("```python\nx = '''\n```\n'''\n```\n") == "x = '''\n```\n'''"
    for code in ("x = 1", "```\nx", "x\n```", "```", ""):
        assert unfenced(code) == code


def test_what_a_model_is_told_beforehand(client: Codemode) -> None:
    tool = CodeTool(client, iter(["note"]), {})
    assert tool.code_description.endswith(client.prompt()) and "tools['note']" in tool.description
    many = ComponentRegistry()
    for number in range(200):
        many.register_tool(f"tool_{number}", note)
    with Codemode(registry=many) as crowded:
        description = CodeTool(crowded, None, {}).description
    assert len(description) <= 1024 and "200 tools" in description


def test_a_filter_that_can_be_read_once_holds_for_every_call(client: Codemode) -> None:
    tool = CodeTool(client, iter([]), {})
    assert [tool.run("tools.note(text='x')").succeeded for _ in range(2)] == [False, False]


def test_wrong_options_are_told_when_the_tool_is_made(client: Codemode) -> None:
    for options, error, said in (
        ({"nam": "x"}, TypeError, "did you mean 'name'"),
        ({"name": "two words"}, ValueError, "two words"),
        ({"max_characters": 3}, ConfigError, "max_characters"),
        ({"on_result": 3}, TypeError, "on_result"),
        ({"execution_timeout": -1}, ConfigError, "execution_timeout"),
        ({"on_stdout": 3}, TypeError, "on_stdout"),
        ({"context": 3}, TypeError, "context"),
    ):
        with pytest.raises(error, match=said):
            CodeTool(client, None, options)


def test_options_are_those_of_execute(client: Codemode) -> None:
    results: list[ExecutionResult] = []
    output: list[str] = []
    options = {"context": {"user": "ada"}, "max_tool_calls": 1, "on_stdout": output.append, "on_result": results.append}
    tool = CodeTool(client, None, options)
    assert asyncio.run(tool.run_async("print('out')\ncontext['user']")).values["result"] == "ada"
    assert tool.run("for _ in range(2): tools.note(text='x')").code == "tool_call_limit"
    assert output == ["out\n"] and [result.outcome for result in results] == ["ok", "tool_call_limit"]


def test_every_parameter_of_execute_is_an_option() -> None:
    parameters = set(inspect.signature(Codemode.execute).parameters) - {"self", "code", "tool_filter", "check"}
    own = {"name", "description", "max_characters", "on_result"}
    assert set(CodeToolOptions.__annotations__) == parameters | own


def test_what_a_framework_knows_of_a_call(client: Codemode) -> None:
    """It is above what the client has, and below what the tool was made with."""
    tool = CodeTool(
        client.with_context(user="client", tier="gold"), None, {"context": {"id": 1}, "variables": {"n": 2}}
    )
    answer = tool.run("{**context, **names, 'n': n}", {"user": "seen", "id": 0}, variables={"names": {"m": 3}})
    assert answer.values["result"] == {"user": "seen", "tier": "gold", "id": 1, "m": 3, "n": 2}
    assert asyncio.run(tool.run_async("dict(context)")).values["result"] == {"user": "client", "tier": "gold", "id": 1}


def test_the_whole_result_and_an_exit_code(client: Codemode) -> None:
    answer = ask(client, "print('x' * 20_000)\n1")
    assert answer.exit_code == 0 and answer.result is not None and len(answer.result.stdout) == 20_001
    assert [ask(client, f"raise SystemExit({status})").exit_code for status in (1, 3)] == [1, 3]
    assert ask(client, "").exit_code == 1


@pytest.mark.parametrize("code", [7, None, ["1"]])
def test_what_is_no_text_is_told_to_the_model(client: Codemode, code: Any) -> None:
    for answer in (ask(client, code), asyncio.run(CodeTool(client, None, {}).run_async(code))):
        assert (answer.succeeded, answer.code, answer.result) == (False, "invalid_code", None)
        assert answer.text == "The argument `code` has to be one string of Python code. Nothing ran."


def test_code_of_another_language() -> None:
    assert [no_python(language) for language in ("python", "Python", "py", "python3")] == [None] * 4
    assert str(no_python("sh")).startswith("This sandbox runs Python, not sh.")
    assert str(no_python("")).startswith("This sandbox runs Python, not code of no language.")


def test_a_copy_of_a_tool_is_the_tool(client: Codemode) -> None:
    """A client cannot be copied, and frameworks copy the tools of their agents."""
    tool = CodeTool(client, None, {})
    assert copy.deepcopy({"tool": tool})["tool"] is tool


def test_an_executor_that_dies_leaves_a_failure_that_must_not_be_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """Why is told to the application, not to the model."""
    registry = ComponentRegistry()
    with Codemode(registry=registry) as client:
        before = set(children(os.getpid()))
        client.execute("1")
        (executor,) = set(children(os.getpid())) - before
        registry.register_tool("end", lambda: os.kill(executor, 9), description="Ends the executor.")
        answer = CodeTool(client, None, {}).run("tools.end()")
    assert (answer.succeeded, answer.code, answer.retryable) == (False, "connection_lost", False)
    assert answer.text.startswith("The sandbox was lost while the code ran.")
    assert answer.details["reason"] in caplog.text and answer.details["reason"] not in answer.text


def test_a_tool_works_on_both_sides_of_a_fork(client: Codemode) -> None:
    tool = CodeTool(client, None, {})
    assert tool.run("1 + 1").text == "2"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, tool.run("tools.note(text='child')").text.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        said = answers.read()
    os.waitpid(child, 0)
    assert (said, tool.run("2 + 2").text) == ("child", "4")
