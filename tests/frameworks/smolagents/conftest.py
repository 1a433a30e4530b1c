"""smolagents with a model that follows a script, and an application with tools of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from smolagents import ActionStep, CodeAgent, Model, Tool
from smolagents.models import ChatMessage, MessageRole

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# The program of a step, given what those before it came to.
Step = Callable[[list[str]], str]


class Scripted(Model):
    """`answers`: what the agent told the model of its code. `told`: the system prompt."""

    def __init__(self, *steps: Step | str) -> None:
        super().__init__(model_id="scripted")
        self._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        self.answers: list[str] = []
        self.told = ""

    def generate(self, messages: list[ChatMessage], *_: Any, **__: Any) -> ChatMessage:
        texts = [(message.role, message.content[0]["text"]) for message in messages]
        self.told = texts[0][1]
        self.answers = [text for role, text in texts if role == MessageRole.TOOL_RESPONSE]
        code = self._steps.pop(0)(self.answers)
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"Thought: I run this.\n<code>\n{code}\n</code>")


class Agents:
    """Runs agents that say nothing on the terminal."""

    def __call__(self, model: Scripted, executor: Any, *tools: Tool, **options: Any) -> Any:
        self.agent = CodeAgent(tools=list(tools), model=model, executor=executor, verbosity_level=0, **options)
        return self.agent.run("Do it.")

    @property
    def errors(self) -> list[str]:
        steps = [step for step in self.agent.memory.steps if isinstance(step, ActionStep)]
        return [str(step.error) for step in steps if step.error]


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def run() -> Agents:
    return Agents()
