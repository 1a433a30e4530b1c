"""DSPy with a model that follows a script, and an application with tools of its own."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

# Read when DSPy is imported, or by what it imports.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DSPY_CACHE_LIMIT": "0"}

import dspy
from dspy.utils import DummyLM

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]


class Scripted(DummyLM):
    """Each program is a step of RLM's; a mapping is an answer with these fields."""

    def __init__(self, *steps: str | dict[str, Any]) -> None:
        super().__init__([self._fields(step) for step in steps])

    @staticmethod
    def _fields(step: str | dict[str, Any]) -> dict[str, Any]:
        return step if isinstance(step, dict) else {"reasoning": "I run this.", "code": f"```python\n{step}\n```"}

    @property
    def told(self) -> str:
        """All that the first call was told."""
        return json.dumps(self.history[0]["messages"], ensure_ascii=False)


class Runs:
    """Runs a module; its prediction. `outputs` are what its code came to, step by step."""

    def __call__(self, model: Scripted, module: dspy.Module, **inputs: Any) -> dspy.Prediction:
        with dspy.context(lm=model):
            done = module(**inputs)
        self.outputs = [step["output"] for step in done.trajectory]
        return done


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def run() -> Runs:
    return Runs()
