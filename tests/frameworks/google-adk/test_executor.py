"""Real agents whose code blocks run in the sandbox."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.artifacts import FileArtifactService
from google.adk.code_executors.code_execution_utils import CodeExecutionInput, File
from google.genai.types import Part

from codemode import Codemode, ExecutionResult
from codemode.integrations.google_adk import CodemodeCodeExecutor
from frameworks.application import PAY, WEATHER, Application


class Call:
    """What `execute_code` is given of the run, and reads."""

    invocation_id = "i"

    class session:
        user_id, app_name, id = "ada", "shop", "s"


def agent(model: Any, executor: CodemodeCodeExecutor) -> LlmAgent:
    return LlmAgent(name="analyst", model=model, code_executor=executor)


def test_an_agents_code_calls_a_registered_tool(
    codemode: Codemode, application: Application, scripted: Any, run: Any, block: Any, said: Any
) -> None:
    executor = CodemodeCodeExecutor(codemode)
    model = scripted.of(block(f"print({WEATHER}['temperature'])"), block("context['user_id']"), said)
    (last,) = run(agent(model, executor))
    assert json.loads(last) == ["Code execution result:\n21.5\n", "Code execution result:\nada\n"]
    assert application.calls == [("weather", "Oslo")]


def test_a_scope(codemode: Codemode, application: Application, scripted: Any, run: Any, block: Any, said: Any) -> None:
    model = scripted.of(block(PAY), block(WEATHER), said)
    run(agent(model, CodemodeCodeExecutor(codemode, ["weather"])))
    assert application.calls == [("weather", "Oslo")] and "there is no tool 'pay'" in model.answers[0]


def test_a_run_that_fails_and_recovers(
    codemode: Codemode, application: Application, scripted: Any, run: Any, block: Any, said: Any
) -> None:
    def corrected(answers: list[str]) -> str:
        assert "line 2, in <module>" in answers[0] and "ZeroDivisionError" in answers[0]
        assert "running the code again repeats them: pay (ok)" in answers[0]
        return str(block("40 + 2"))

    model = scripted.of(block(f"{PAY}\n1 / 0"), corrected, said)
    (last,) = run(agent(model, CodemodeCodeExecutor(codemode)))
    assert json.loads(last)[1] == "Code execution result:\n42\n" and application.calls == [("pay", "Ada")]


def test_users_at_once(codemode: Codemode, scripted: Any, run: Any, block: Any) -> None:
    """Each program's tool waits for those of the two others, so no execution holds the event loop."""
    meet = [block(f"tools.meet(who='{who}')") for who in "abc"]
    model = scripted.of(*meet, "done", "done", "done")
    assert run(agent(model, CodemodeCodeExecutor(codemode)), "ada", "bob", "eve") == ["done"] * 3


def test_files_become_artifacts(codemode: Codemode, scripted: Any, run: Any, block: Any) -> None:
    """None of another session: that is what the prefix `user:` is for ADK."""
    program = "open('/outputs/a.csv', 'w').write('x,y')\nopen('/outputs/user:b.txt', 'w').write('b')\nNone"
    run(agent(scripted.of(block(program), "done"), CodemodeCodeExecutor(codemode)))
    assert run.artifact("user:b.txt") is None
    kept = {name: run.artifact(name).inline_data for name in ("a.csv", "user_b.txt")}
    assert {name: blob.data for name, blob in kept.items()} == {"a.csv": b"x,y", "user_b.txt": b"b"}
    assert kept["a.csv"].mime_type == "text/csv"


def test_files_whose_names_adk_refuses(codemode: Codemode, tmp_path: Path) -> None:
    """A name that its service for files does not take would end the run."""
    names = ("metadata.json", "Versions/1.txt", "C:x", "..\\up", " user:b", " /rooted", ".. /up", "plain (1).csv")
    program = f"""
from pathlib import Path
for name in {names!r}:
    path = Path('/outputs', name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(name)
"""
    service = FileArtifactService(root_dir=tmp_path / "store")
    files = CodemodeCodeExecutor(codemode).execute_code(Call, CodeExecutionInput(program)).output_files

    async def kept() -> dict[str, bytes]:
        where = {"app_name": "shop", "user_id": "ada", "session_id": "s"}
        for file in files:
            part = Part.from_bytes(data=file.content, mime_type=file.mime_type)
            await service.save_artifact(**where, filename=file.name, artifact=part)
        every = await service.list_artifact_keys(**where)
        assert await service.list_artifact_keys(**{**where, "session_id": "other"}) == []
        return {name: (await service.load_artifact(**where, filename=name)).inline_data.data for name in every}

    stored = asyncio.run(kept())
    assert sorted(stored) == sorted([
        "_metadata.json", "_Versions/1.txt", "C_x", ".._up", "user_b", "_/rooted", "_../up", "plain (1).csv"
    ])  # fmt: skip
    assert sorted(stored.values()) == sorted(name.encode() for name in names)


def test_what_an_execution_comes_to(codemode: Codemode) -> None:
    results: list[ExecutionResult] = []
    executor = CodemodeCodeExecutor(codemode, on_result=results.append, error_retry_attempts=5, variables={"n": 2})
    done = executor.execute_code(Call, CodeExecutionInput("print('p')\nopen('/outputs/f.bin', 'wb').write(b'12')\nn"))
    assert (done.stdout, done.stderr, done.exit_code) == (
        "Result: 2\nPrinted: p\nFiles in /outputs, handed over to the application: f.bin (2 bytes)",
        "",
        0,
    )
    assert done.output_files == [File("f.bin", b"12", "application/octet-stream")]
    failed = executor.execute_code(Call, CodeExecutionInput("print('before')\nraise SystemExit(3)"))
    assert (failed.stdout, failed.exit_code) == ("before\n", 3) and "SystemExit" in failed.stderr
    assert executor.error_retry_attempts == 5 and [result.exit_code for result in results] == [0, 3]


def test_files_that_come_with_a_call_are_a_variable_and_lines_are_those_of_the_code(codemode: Codemode) -> None:
    files = [File("a.txt", base64.b64encode(b"text").decode()), File("b/c.bin", b"\0\1")]
    executor = CodemodeCodeExecutor(codemode, variables={"n": 2})
    done = executor.execute_code(Call, CodeExecutionInput("[input_files, n]", files))
    assert json.loads(done.stdout) == [{"a.txt": "dGV4dA==", "b/c.bin": "AAE="}, 2]
    done = executor.execute_code(Call, CodeExecutionInput("input_files['none']", files))
    assert "line 1, in <module>" in done.stderr and "KeyError: 'none'" in done.stderr


def test_files_whose_contents_did_not_come_are_named(codemode: Codemode) -> None:
    executor = CodemodeCodeExecutor(codemode, artifact_bytes=0)
    done = executor.execute_code(Call, CodeExecutionInput("open('/outputs/f.txt', 'w').write('12')\nNone"))
    assert done.output_files == [] and "f.txt (2 bytes)" in done.stdout


def test_the_time_of_the_executor_is_that_of_the_code(codemode: Codemode) -> None:
    executor = CodemodeCodeExecutor(codemode, timeout_seconds=1)
    done = executor.execute_code(Call, CodeExecutionInput("while True: pass"))
    assert "smaller parts" in done.stderr and done.exit_code not in (0, None)


@pytest.mark.parametrize("field", ["stateful", "optimize_data_file"])
def test_what_it_is_not(field: str, codemode: Codemode) -> None:
    with pytest.raises(ValueError, match="a sandbox of its own"):
        CodemodeCodeExecutor(codemode, **{field: True})


def test_an_executor_that_is_gone(scripted: Any, run: Any, block: Any) -> None:
    client = Codemode()
    executor = CodemodeCodeExecutor(client)
    client.close()
    done = executor.execute_code(Call, CodeExecutionInput("1"))
    assert "The sandbox cannot be used" in done.stderr and done.exit_code is None and done.stdout == ""
