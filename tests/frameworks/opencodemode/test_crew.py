"""The published package's own CrewAI tool, in crews whose models follow a script."""

from __future__ import annotations

import asyncio

import pytest

from codemode import Codemode
from frameworks.crewai.crews import Scripted, agent, crew
from frameworks.opencodemode.application import Application

WEATHER = """
import asyncio

async def main():
    return await tools['weather'].run(location='Oslo')

result = asyncio.run(main())
"""


@pytest.fixture(params=["react", "native"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_crew_runs_code_that_calls_a_tool(mode: str, codemode: Codemode) -> None:
    model = Scripted.of(mode, [WEATHER], lambda answers: answers[0])
    done = crew(agent("Analyst", model, codemode.as_crewai_tool())).kickoff()
    assert done.raw.startswith('{"days": 3, "location": "Oslo", "temperature": 21.5}')


def test_a_run_that_fails_and_recovers(mode: str, codemode: Codemode) -> None:
    def corrected(answers: list[str]) -> list[str]:
        assert "ERROR: KeyError: 'x' (line 2)" in answers[0] and "Traceback" in answers[0]
        return ["result = 'mended'"]

    model = Scripted.of(mode, ["a = {}\nresult = a['x']"], corrected, lambda answers: answers[-1])
    done = crew(agent("Analyst", model, codemode.as_crewai_tool())).kickoff()
    assert done.raw.startswith('"mended"')


def test_agents_with_different_tools(mode: str, codemode: Codemode) -> None:
    hidden = "result = tools['weather'].run(location='Oslo')"
    clerk = Scripted.of(mode, [hidden], lambda answers: answers[0])
    done = crew(agent("Clerk", clerk, codemode.as_crewai_tool(tool_filter=["add"]))).kickoff()
    assert "there is no tool 'weather'" in done.raw


def test_an_asynchronous_crew_in_a_context(codemode: Codemode, application: Application) -> None:
    codemode.with_context(client_id="acme")
    model = Scripted.of(
        "native", ["result = tools['whoami'].run()['context']['variables']"], lambda answers: answers[0]
    )
    done = asyncio.run(crew(agent("Analyst", model, codemode.as_crewai_tool())).kickoff_async())
    assert done.raw.startswith('{"client_id": "acme"}')
