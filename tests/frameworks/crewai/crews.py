"""A model that follows a script, in both ways in which CrewAI lets a model call tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import crewai
from pydantic import PrivateAttr

# What the model does next, given all that its tool has answered so far: programs to run, or the final answer.
Step = Callable[[list[str]], list[str] | str]


class Scripted(crewai.BaseLLM):
    """Native: calls as data, several at once. Otherwise ReAct: calls as text, one at a time."""

    _is_native: bool = PrivateAttr()
    _steps: list[Step] = PrivateAttr()
    _told: list[str] = PrivateAttr(default_factory=list)
    _answers: list[str] = PrivateAttr(default_factory=list)

    @classmethod
    def of(cls, mode: str, *steps: Step | list[str] | str) -> Scripted:
        model = cls(model="scripted")
        model._is_native = mode == "native"
        model._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        return model

    @property
    def answers(self) -> list[str]:
        """What the tool said, in its order."""
        return self._answers

    @property
    def told(self) -> str:
        """All that the first call was told, tools included."""
        return self._told[0]

    def supports_function_calling(self) -> bool:
        return self._is_native

    def call(self, messages: Any, tools: Any = None, *_: Any, **__: Any) -> Any:
        self._told.append(json.dumps([messages, tools], ensure_ascii=False))
        self._answers = [answer for message in messages for answer in _answered(message)]
        step = self._steps.pop(0)(self._answers)
        if isinstance(step, str):
            return step if self._is_native else f"Thought: I know it.\nFinal Answer: {step}"
        if self._is_native:
            return [_call(number, code) for number, code in enumerate(step)]
        (code,) = step
        return f"Thought: I run code.\nAction: codemode\nAction Input: {json.dumps({'code': code})}"


def agent(role: str, model: Scripted, tool: Any, **options: Any) -> crewai.Agent:
    return crewai.Agent(role=role, goal="To answer.", backstory="It runs code.", llm=model, tools=[tool], **options)


def crew(*agents: crewai.Agent, **options: Any) -> crewai.Crew:
    """One task for each agent, in this order."""
    tasks = [crewai.Task(description="Do it.", expected_output="An answer.", agent=agent) for agent in agents]
    return crewai.Crew(agents=list(agents), tasks=tasks, **options)


def value(answer: str) -> Any:
    """CrewAI may have added what it tells each model."""
    return json.JSONDecoder().raw_decode(answer)[0]["result"]


def _call(number: int, code: str) -> dict[str, Any]:
    function = {"name": "codemode", "arguments": json.dumps({"code": code})}
    return {"id": f"call-{number}", "type": "function", "function": function}


def _answered(message: dict[str, Any]) -> list[str]:
    if message["role"] == "tool":
        return [message["content"]]
    _, found, answer = (message["content"] or "").partition("\nObservation: ")
    return [answer] if found and message["role"] == "assistant" else []
