"""Google ADK with a model that follows a script, and an application with tools of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types
from pydantic import PrivateAttr

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# What the model does next, given all that it was answered so far: programs for the tool, or text.
Step = Callable[[list[Any]], list[str] | str]


class Scripted(BaseLlm):
    """`answers`: what the tool said, or what came of code blocks. `told`: the first request, tools included."""

    _steps: list[Step] = PrivateAttr()
    _told: list[str] = PrivateAttr(default_factory=list)
    _answers: list[Any] = PrivateAttr(default_factory=list)

    @classmethod
    def of(cls, *steps: Step | list[str] | str) -> Scripted:
        model = cls(model="scripted")
        model._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        return model

    @property
    def answers(self) -> list[Any]:
        return self._answers

    @property
    def told(self) -> str:
        return self._told[0]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self._told.append(llm_request.model_dump_json(exclude={"tools_dict", "live_connect_config"}))
        parts = [part for content in llm_request.contents for part in content.parts or []]
        self._answers = [answer for part in parts for answer in _answered(part)]
        step = self._steps.pop(0)(self._answers)
        said = [types.Part(text=step)] if isinstance(step, str) else [_call(code) for code in step]
        yield LlmResponse(content=types.Content(role="model", parts=said))


def _call(code: str) -> types.Part:
    return types.Part.from_function_call(name="codemode", args={"code": code})


def _answered(part: types.Part) -> list[Any]:
    if part.function_response:
        return [part.function_response.response]
    head, tail = "```tool_output\n", "\n```"
    return [part.text.removeprefix(head).removesuffix(tail)] if (part.text or "").startswith(head) else []


class Runs:
    """Sessions of one application, one user after the other."""

    def __init__(self) -> None:
        self.runner: InMemoryRunner | None = None

    def __call__(self, agent: LlmAgent, *users: str) -> list[str]:
        """The last text that each user reads; they ask at the same time."""
        return asyncio.run(self._all(agent, users or ("ada",)))

    async def _all(self, agent: LlmAgent, users: tuple[str, ...]) -> list[str]:
        self.runner = runner = InMemoryRunner(agent=agent, app_name="shop")
        return await asyncio.gather(*(self._one(runner, user) for user in users))

    async def _one(self, runner: InMemoryRunner, user: str) -> str:
        await runner.session_service.create_session(app_name="shop", user_id=user, session_id=f"of-{user}")
        message = types.Content(role="user", parts=[types.Part(text="Do it.")])
        texts = [
            part.text or ""
            async for event in runner.run_async(user_id=user, session_id=f"of-{user}", new_message=message)
            for part in (event.content.parts if event.content else None) or []
        ]
        return texts[-1]

    def artifact(self, name: str) -> types.Part | None:
        """As the first user's session has it."""
        assert self.runner is not None
        load = self.runner.artifact_service.load_artifact
        return asyncio.run(load(app_name="shop", user_id="ada", session_id="of-ada", filename=name))


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def run() -> Runs:
    return Runs()


@pytest.fixture
def block() -> Callable[[str], str]:
    return lambda code: f"I run this.\n```python\n{code}\n```"


@pytest.fixture
def said() -> Callable[[list[Any]], str]:
    """A last step: all that was answered, as JSON."""
    return lambda answers: json.dumps(answers)
