"""Haystack without its makers' telemetry, a model that follows a script, and an application with tools of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

# Read when Haystack is imported.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

import pytest
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, ToolCall

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# What the model does next, given all that its tool has answered so far: programs to run, or the final answer.
Step = Callable[[list[Any]], list[Any] | str]


class Script:
    """`model` follows it. `tools`: those of the first request. `answers`: as the model reads them."""

    def __init__(self, *steps: Step | list[Any] | str) -> None:
        self._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        self.model = MockChatGenerator(response_fn=self._next)
        self.tools: list[Any] = []
        self.answers: list[Any] = []
        self.failed: list[bool] = []

    def _next(self, messages: list[ChatMessage], tools: Any) -> ChatMessage | str:
        self.tools = self.tools or [tool.tool_spec for tool in tools]
        results = [result for message in messages for result in message.tool_call_results]
        self.answers = [result.result if result.error else json.loads(result.result) for result in results]
        self.failed = [result.error for result in results]
        step = self._steps.pop(0)(self.answers)
        if isinstance(step, str):
            return step
        return ChatMessage.from_assistant(tool_calls=[ToolCall(self.tools[0]["name"], {"code": code}) for code in step])


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
def said() -> Callable[[list[Any]], str]:
    """A last step: all that was answered, as JSON."""
    return lambda answers: json.dumps(answers)
