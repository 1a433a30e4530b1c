"""Real agents whose code blocks run in the sandbox. AutoGen's own model says what it was given, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.agents import ApprovalRequest, ApprovalResponse, AssistantAgent, CodeExecutorAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_ext.models.replay import ReplayChatCompletionClient

from codemode import Codemode, ExecutionResult
from codemode.core import ComponentNotFoundError
from codemode.integrations.autogen import CodemodeCodeExecutor
from frameworks.application import PAY, WEATHER, Application


def block(code: str, language: str = "python") -> str:
    return f"I run this.\n```{language}\n{code}\n```"


def allowed(_: ApprovalRequest) -> ApprovalResponse:
    return ApprovalResponse(approved=True, reason="a sandbox")


def chat(executor: CodemodeCodeExecutor, *said: str) -> tuple[list[str], ReplayChatCompletionClient]:
    """What the runner answered to each thing that the coder said, and the coder's model."""
    model = ReplayChatCompletionClient([*said])

    async def run() -> list[str]:
        coder = AssistantAgent("coder", model_client=model)
        runner = CodeExecutorAgent("runner", code_executor=executor, approval_func=allowed, sources=["coder"])
        team = RoundRobinGroupChat([coder, runner], termination_condition=MaxMessageTermination(1 + 2 * len(said)))
        done = await team.run(task="Do it.")
        return [message.content for message in done.messages if message.source == "runner"]

    return asyncio.run(run()), model


def run(executor: CodemodeCodeExecutor, *blocks: CodeBlock) -> CodeResult:
    return asyncio.run(executor.execute_code_blocks(list(blocks), CancellationToken()))


def test_a_team_runs_code_that_calls_a_registered_tool(codemode: Codemode, application: Application) -> None:
    program = f"print('asked')\n{WEATHER}['temperature'] + 1"
    answers, _ = chat(CodemodeCodeExecutor(codemode), block(program))
    assert answers == ["Result: 22.5\nPrinted: asked"] and application.calls == [("weather", "Oslo")]


def test_a_team_that_may_not_call_every_tool(codemode: Codemode, application: Application) -> None:
    answers, _ = chat(CodemodeCodeExecutor(codemode, ["weather"]), block(PAY), block(WEATHER))
    assert application.calls == [("weather", "Oslo")]
    assert "there is no tool 'pay'" in answers[0] and answers[1] == '{"temperature": 21.5}'


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application) -> None:
    """The coder reads where its code failed and which tools ran already."""
    failing = f"{PAY}\n{{'temperature': 3}}['temprature']"
    answers, model = chat(CodemodeCodeExecutor(codemode), block(failing), block("{'temperature': 3}['temperature']"))
    read = str(model.create_calls[1]["messages"])
    for told in ("POSIX exit code: 1", "line 2, in <module>", "the code again repeats them: pay (ok)"):
        assert told in answers[0] and told in read
    assert answers[1] == "3" and application.calls == [("pay", "Ada")]


def test_an_agent_that_writes_and_runs_code(codemode: Codemode, application: Application) -> None:
    executor = CodemodeCodeExecutor(codemode)
    model = ReplayChatCompletionClient([block(WEATHER), "It is warm."])

    async def ask() -> str:
        agent = CodeExecutorAgent(
            "analyst",
            code_executor=executor,
            model_client=model,
            approval_func=allowed,
            system_message=codemode.prompt(),
        )
        done = await agent.run(task="Do it.")
        return str(done.messages[-1].content)

    assert asyncio.run(ask()) == "It is warm." and application.calls == [("weather", "Oslo")]
    first, second = model.create_calls
    assert "def weather(self, *, city: str)" in first["messages"][0].content
    assert '{"temperature": 21.5}' in str(second["messages"])


def test_agents_run_at_the_same_time(codemode: Codemode) -> None:
    """Each program's tool waits for those of the two others, so no execution holds the event loop."""
    executor = CodemodeCodeExecutor(codemode)

    async def all_of_them() -> list[CodeResult]:
        blocks = [CodeBlock(f"tools.meet(who='{who}')", "python") for who in "abc"]
        return await asyncio.gather(*(executor.execute_code_blocks([it], CancellationToken()) for it in blocks))

    assert [done.output for done in asyncio.run(all_of_them())] == ["a", "b", "c"]


def test_blocks_run_in_their_order_up_to_one_that_fails(codemode: Codemode) -> None:
    """Each in a sandbox of its own."""
    blocks = [CodeBlock(code, "Python") for code in ("n = 1; print(n)", "n", "print('never')")]
    done = run(CodemodeCodeExecutor(codemode), *blocks)
    assert done.exit_code == 1 and done.output.startswith("1\nThe code failed:") and "NameError" in done.output
    assert "never" not in done.output


def test_another_language_is_refused_before_anything_runs(codemode: Codemode, application: Application) -> None:
    done = run(CodemodeCodeExecutor(codemode), CodeBlock(PAY, "python"), CodeBlock("ls", "sh"))
    assert done.exit_code == 1 and done.output.startswith("This sandbox runs Python, not sh. Nothing ran.")
    assert application.calls == []


@pytest.mark.parametrize("end", [CancellationToken.cancel, None], ids=["token", "task"])
def test_cancelling_ends_the_code(end: Callable[[CancellationToken], None] | None, codemode: Codemode) -> None:
    """The tool that the code waits for is an async one of the application, and is cancelled with it."""
    ended: list[str] = []

    async def cancelled() -> None:
        began = asyncio.Event()

        async def forever() -> None:
            """Waits."""
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("ended")

        codemode.registry.register_tool(forever)
        token = CancellationToken()
        blocks = [CodeBlock("tools.forever()", "python"), CodeBlock(PAY, "python")]
        running = asyncio.ensure_future(CodemodeCodeExecutor(codemode).execute_code_blocks(blocks, token))
        await began.wait()
        if end:
            end(token)
        else:
            running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert ended == ["ended"]


def test_a_token_that_is_cancelled_already(codemode: Codemode, application: Application) -> None:
    token = CancellationToken()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(CodemodeCodeExecutor(codemode).execute_code_blocks([CodeBlock(PAY, "python")], token))
    assert application.calls == []


def test_starting_and_stopping_leave_the_client_as_it_is(codemode: Codemode) -> None:
    executor = CodemodeCodeExecutor(codemode)

    async def used() -> CodeResult:
        async with executor:
            await executor.restart()
        return await executor.execute_code_blocks([CodeBlock("40 + 2", "python")], CancellationToken())

    assert asyncio.run(used()) == CodeResult(0, "42") and isinstance(executor, CodeExecutor)


def test_an_executor_that_is_gone_is_told_to_the_model() -> None:
    """Where the executor is stays between the application and its log."""
    client = Codemode()
    executor = CodemodeCodeExecutor(client)
    client.close()
    done = run(executor, CodeBlock("1", "python"))
    assert done.exit_code == 1 and "The sandbox cannot be used" in done.output and "client" not in done.output


def test_options(codemode: Codemode) -> None:
    results: list[ExecutionResult] = []
    executor = CodemodeCodeExecutor(codemode, on_result=results.append, context={"user": "ada"})
    assert run(executor, CodeBlock("context['user']", "python")).output == "ada"
    assert run(executor, CodeBlock("raise SystemExit(3)", "python")).exit_code == 3
    assert [result.exit_code for result in results] == [0, 3]
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        CodemodeCodeExecutor(codemode, ["wether"])
    options: Any = {"execution_timeut": 3}
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        CodemodeCodeExecutor(codemode, **options)


def test_an_agent_without_a_model(codemode: Codemode) -> None:
    async def ask() -> str:
        runner = CodeExecutorAgent("runner", code_executor=CodemodeCodeExecutor(codemode), approval_func=allowed)
        asked = TextMessage(content=block("x = 1"), source="user")
        return str((await runner.on_messages([asked], CancellationToken())).chat_message.to_text())

    assert asyncio.run(ask()) == "The code ran. It has no result and printed nothing."
