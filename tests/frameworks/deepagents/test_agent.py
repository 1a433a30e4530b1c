"""Real deep agents, whose models follow a script: their commands and files are in the sandbox."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from deepagents import create_deep_agent
from deepagents.backends import CompositeBackend
from deepagents.backends.protocol import SandboxBackendProtocol

from codemode import Codemode, ConfigError
from codemode.integrations import _shell
from codemode.integrations.deepagents import CodemodeSandbox
from frameworks.application import PAY, WEATHER, Application
from frameworks.langchain.agents import Scripted, ask, of_tools

PROGRAM = "import sys\nprint(6 * int(sys.argv[1]))\n"


@pytest.fixture
def sandbox(codemode: Codemode) -> CodemodeSandbox:
    return CodemodeSandbox(codemode)


def test_an_agent_writes_a_file_and_runs_it(sandbox: CodemodeSandbox) -> None:
    """Each call has a sandbox of its own; what was written is there again."""
    model = Scripted.of(
        [("write_file", {"file_path": "/sandbox/lib/six.py", "content": PROGRAM})],
        [("execute", {"command": "python3 lib/six.py 7 > answer.txt; cat answer.txt"})],
        [("edit_file", {"file_path": "/sandbox/lib/six.py", "old_string": "6 *", "new_string": "60 *"})],
        [("execute", {"command": "python3 lib/six.py 7"}), ("read_file", {"file_path": "/sandbox/answer.txt"})],
        [("grep", {"pattern": "60", "path": "/sandbox"}), ("glob", {"pattern": "*.py", "path": "/sandbox"})],
        [("ls", {"path": "/sandbox"})],
        "done",
    )
    answers = [message.content for message in of_tools(ask(create_deep_agent(model=model, backend=sandbox)))]
    assert answers[1].startswith("42") and answers[3].startswith("420") and "42" in answers[4]
    assert "/sandbox/lib/six.py" in answers[5] and "/sandbox/lib/six.py" in answers[6]
    assert "/sandbox/answer.txt" in answers[7]


def test_a_run_that_fails_and_recovers(codemode: Codemode, sandbox: CodemodeSandbox, application: Application) -> None:
    """With the tool for code beside it, whose programs call the application's tools; a command cannot."""
    model = Scripted.of(
        [("execute", {"command": "curl https://example.com"})],
        [PAY],
        [f"{WEATHER}['temprature']"],
        [f"{WEATHER}['temperature']"],
        lambda answers: answers[-1],
    )
    agent = create_deep_agent(model=model, backend=sandbox, tools=[codemode.as_langchain_tool(["weather"])])
    messages = ask(agent)
    command, refused, failed, done = of_tools(messages)
    assert "curl: " in command.content and command.artifact["exit_code"] == 127
    assert "there is no tool 'pay'" in refused.content and "KeyError: 'temprature'" in failed.content
    assert [message.status for message in (refused, failed, done)] == ["error", "error", "success"]
    assert messages[-1].content == "21.5" and application.calls == [("weather", "Oslo")] * 2


def test_what_is_too_long_for_the_model_becomes_a_file(sandbox: CodemodeSandbox) -> None:
    backend = CompositeBackend(default=sandbox, routes={}, artifacts_root="/sandbox")
    printing = "python3 -c \"print('x\\n' * 200_000)\""
    model = Scripted.of([("execute", {"command": printing})], "done")
    (answer,) = of_tools(ask(create_deep_agent(model=model, backend=backend)))
    (found,) = sandbox.glob("*", "/sandbox/large_tool_results").matches
    assert found["path"] in answer.content and len(answer.content) < 20_000


def test_agents_share_nothing(codemode: Codemode) -> None:
    mine, other = CodemodeSandbox(codemode), CodemodeSandbox(codemode)
    assert mine.id != other.id and isinstance(mine, SandboxBackendProtocol)
    mine.write("/sandbox/mine", "x")
    assert other.ls("/sandbox").entries == [] and mine.ls("/sandbox").entries


def test_commands_at_the_same_time_lose_no_file(sandbox: CodemodeSandbox) -> None:
    """They take turns, and the loop is free meanwhile."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: sandbox.execute(f"echo {n} > {n}"), range(6)))

    async def more() -> None:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        heart = asyncio.create_task(beat())
        await asyncio.gather(*(sandbox.aexecute(f"sleep 0.1; echo {n} > {n}") for n in range(6, 9)))
        heart.cancel()
        assert beats > 100

    asyncio.run(more())
    assert len(sandbox.ls("/sandbox").entries or ()) == 9


def test_bytes_links_and_rights_are_kept(sandbox: CodemodeSandbox) -> None:
    assert sandbox.upload_files([("/sandbox/a.bin", bytes(range(256)))])[0].error is None
    sandbox.execute(
        "python3 -c \"import os; os.mkdir('deep'); os.symlink('/sandbox/a.bin', 'deep/link')\"; echo x > /tmp/t"
    )
    sandbox.execute("echo 'echo ran' > run.sh; python3 -c \"import os; os.chmod('run.sh', 0o700); os.mkfifo('pipe')\"")
    assert sandbox.download_files(["/sandbox/deep/link"])[0].content == bytes(range(256))
    told = sandbox.execute(
        "cat /tmp/t; python3 -c \"import os; print(oct(os.stat('run.sh').st_mode), os.listdir('.'))\""
    )
    assert told.output.startswith("x\n0o100700") and "pipe" not in told.output


def test_names_of_the_standard_library(sandbox: CodemodeSandbox) -> None:
    for name in ("gzip", "zlib", "random", "struct", "copy"):
        sandbox.write(f"/sandbox/{name}.py", "raise SystemExit('this is no library')")
    assert sandbox.execute("cat gzip.py").exit_code == 0


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/etc/passwd", "permission_denied"),
        ("/outputs/x", "permission_denied"),
        ("/sandbox/../etc/x", "permission_denied"),
        ("x", "invalid_path"),
        ("/sandbox", "permission_denied"),
        ("/sandbox/folder", "is_directory"),
    ],
)
def test_files_that_cannot_be_put_there(sandbox: CodemodeSandbox, path: str, error: str) -> None:
    good = ("/sandbox/folder/good", b"1")
    answers = sandbox.upload_files([good, (path, b"2"), good])
    assert [answer.error for answer in answers] == [None, error, None]


def test_files_that_cannot_be_fetched(sandbox: CodemodeSandbox) -> None:
    sandbox.execute("head -c 9000000 /dev/zero > big")
    paths = ["/sandbox/none", "/sandbox", "big", "/sandbox/big"]
    errors = [answer.error for answer in sandbox.download_files(paths)]
    assert errors[:3] == ["file_not_found", "is_directory", "invalid_path"] and "8 MiB" in (errors[3] or "")


def test_more_than_can_be_kept(sandbox: CodemodeSandbox) -> None:
    sandbox.execute("echo small > small")
    told = sandbox.execute("head -c 9000000 /dev/urandom > big; rm small")
    assert "more than 8 MiB, packed. The files are as they were before." in told.output
    assert sandbox.execute("cat *").output == "small\n"
    (answer,) = sandbox.upload_files([("/sandbox/big", os.urandom(9_000_000))])
    assert "more than 8 MiB" in (answer.error or "") and sandbox.execute("cat *").output == "small\n"


def test_commands_that_do_not_end(codemode: Codemode, sandbox: CodemodeSandbox) -> None:
    told = sandbox.execute("echo begun > begun; echo out; sleep 60", timeout=1)
    assert told.exit_code == 124 and "out\n" in told.output and "ended after 1 s" in told.output
    assert sandbox.execute("cat begun").output == "begun\n"
    brief = CodemodeSandbox(codemode, execution_timeout=1)
    told = brief.execute("echo x > x; sleep 60")
    assert told.exit_code == 124 and "The files are as they were before." in told.output
    assert brief.execute("sleep 60 & echo y > y").exit_code == 0
    assert brief.execute("cat *").output == "y\n"


def test_a_command_that_ends_what_runs_it(sandbox: CodemodeSandbox) -> None:
    sandbox.execute("echo kept > kept")
    told = sandbox.execute("rm kept; kill -9 $PPID")
    assert told.exit_code == 137 and "The files are as they were before." in told.output
    assert sandbox.execute("cat kept").output == "kept\n"


def test_an_executor_that_is_gone(codemode: Codemode, sandbox: CodemodeSandbox) -> None:
    codemode.close()
    told = sandbox.execute("echo x")
    assert told.exit_code is None and "cannot be used" in told.output
    assert "cannot be used" in (sandbox.upload_files([("/sandbox/x", b"")])[0].error or "")
    assert "cannot be used" in (sandbox.download_files(["/sandbox/x"])[0].error or "")


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({}, "No module named 'subprocess'"),
        ({"execution": {"allowed_commands": ["sh", "python3", "grep"]}}, "does not allow head, rm"),
    ],
)
def test_an_executor_that_lacks_commands(policy: dict[str, Any], problem: str) -> None:
    with Codemode.local(policy) as client, pytest.raises(ConfigError, match=f"{', '.join(_shell.COMMANDS)}.*{problem}"):
        CodemodeSandbox(client)
