"""Pydantic AI with a model that follows a script, and an application with tools of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# What the model does next, given all that its tool has answered so far: programs to run, or the final answer.
Step = Callable[[list[Any]], list[Any] | str]


class Script:
    """`model` follows it. `tools`: those of the first request. `answers`: as the model reads them."""

    def __init__(self, *steps: Step | list[Any] | str) -> None:
        self._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        self.model = FunctionModel(self._next)
        self.tools: list[Any] = []
        self.answers: list[Any] = []
        self.parts: list[Any] = []

    def _next(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.tools = self.tools or info.function_tools
        parts = [part for message in messages for part in message.parts]
        self.parts = [part for part in parts if isinstance(part, (ToolReturnPart, RetryPromptPart))]
        self.answers = [part.content for part in self.parts]
        step = self._steps.pop(0)(self.answers)
        if isinstance(step, str):
            return ModelResponse(parts=[TextPart(step)])
        return ModelResponse(parts=[ToolCallPart(self.tools[0].name, {"code": code}) for code in step])


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
def said() -> Callable[[list[Any]], str]:
    """A last step: all that was answered, as JSON."""
    return lambda answers: json.dumps(answers)
