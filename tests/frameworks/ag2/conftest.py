"""AG2 with its own scripted model, and an application with tools of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from ag2 import Agent
from ag2.events import ToolCallEvent
from ag2.testing import TestConfig, TrackingConfig
from ag2.tools import SandboxCodeTool

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]


class Turns:
    """Turns of a model: programs to run, each turn's at once, and at the end an answer.

    `answers`: what it read of each turn's programs. `calls`: what it was told with each of its turns.
    """

    def __init__(self, *turns: list[str], language: str = "python") -> None:
        events = [
            [ToolCallEvent("run_code", arguments=json.dumps({"code": code, "language": language})) for code in turn]
            for turn in turns
        ]
        self.config = TrackingConfig(TestConfig(*events, "done"))

    def ask(self, environment: Any, *prompt: str) -> None:
        agent = Agent("analyst", list(prompt), config=self.config, tools=[SandboxCodeTool(environment)])
        assert asyncio.run(agent.ask("Do it.")).body == "done"

    @property
    def answers(self) -> list[list[str]]:
        _, *events = (call.args[0] for call in self.config.mock.call_args_list)
        return [["".join(part.content for part in one.result.parts) for one in event.results] for event in events]

    @property
    def calls(self) -> list[Any]:
        return self.config.calls


@pytest.fixture
def turns() -> type[Turns]:
    return Turns
