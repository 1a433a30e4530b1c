"""LlamaIndex with a model that follows a script, and an application with tools of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llama_index.core.agent.workflow import CodeActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM
from pydantic import PrivateAttr

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# What the model says next, given all that its code came to so far. What has no line of text in front is code.
Step = Callable[[list[str]], str]
ANSWER = "I know it: "
_RESULT = "Result of executing the code given:\n\n"


class Scripted(CustomLLM):
    """`answers`: what the agent was told of its code. `told`: the system prompt."""

    _steps: list[Step] = PrivateAttr()
    _answers: list[str] = PrivateAttr(default_factory=list)
    _told: str = PrivateAttr(default="")

    @classmethod
    def of(cls, *steps: Step | str) -> Scripted:
        model = cls()
        model._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        return model

    @property
    def answers(self) -> list[str]:
        return self._answers

    @property
    def told(self) -> str:
        return self._told

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="scripted", is_chat_model=True)

    def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        self._told = messages[0].content or ""
        said = [message.content or "" for message in messages if message.role.value == "user"]
        self._answers = [text.removeprefix(_RESULT) for text in said if text.startswith(_RESULT)]
        text = self._steps.pop(0)(self._answers)
        text = text if text.startswith(ANSWER) else f"I run this.\n<execute>\n{text}\n</execute>"
        return ChatResponse(message=ChatMessage(role="assistant", content=text), delta=text)

    def stream_chat(self, messages: Sequence[ChatMessage], **options: Any) -> Any:
        yield self.chat(messages, **options)

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise NotImplementedError


def pytest_configure(config: pytest.Config) -> None:
    # LlamaIndex looks at every attribute of an agent, also at those that pydantic would rather not have.
    config.addinivalue_line("filterwarnings", "ignore::pydantic.warnings.PydanticDeprecationWarning:inspect")


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def said() -> Step:
    """A last step: the newest of what the code came to."""
    return lambda answers: ANSWER + answers[-1]


@pytest.fixture
def run() -> Callable[..., str]:
    """One run of an agent; its answer."""

    def run(model: Scripted, function: Any, **options: Any) -> str:
        async def asked() -> str:
            agent = CodeActAgent(code_execute_fn=function, llm=model, **options)
            return str(await agent.run(user_msg="Do it."))

        return asyncio.run(asked()).removeprefix(ANSWER)

    return run
