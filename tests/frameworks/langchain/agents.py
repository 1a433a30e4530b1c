"""Agents whose model follows a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import PrivateAttr

# What the model does next, given all that its tools have answered so far: calls to be run at once, or the final answer.
# A call is a program for the tool `codemode`, or a tool's name with its arguments.
Call = str | tuple[str, dict[str, Any]]
Step = Callable[[list[str]], list[Call] | str]


class Scripted(FakeMessagesListChatModel):
    """`told`: the tools as they were given to it. `answers`: what the tool said, in its order."""

    _steps: list[Step] = PrivateAttr()
    _told: list[Any] = PrivateAttr(default_factory=list)
    _answers: list[str] = PrivateAttr(default_factory=list)

    @classmethod
    def of(cls, *steps: Step | list[Call] | str) -> Scripted:
        model = cls(responses=[])
        model._steps = [step if callable(step) else lambda _, step=step: step for step in steps]
        return model

    @property
    def told(self) -> list[Any]:
        return self._told

    @property
    def answers(self) -> list[str]:
        return self._answers

    def bind_tools(self, tools: Any, **_: Any) -> Scripted:
        self._told += tools
        return self

    def _generate(self, messages: list[BaseMessage], *arguments: Any, **options: Any) -> Any:
        self._answers = [message.content for message in messages if isinstance(message, ToolMessage)]
        step = self._steps.pop(0)(self._answers)
        calls = [] if isinstance(step, str) else [_named(call) for call in step]
        self.responses = [
            AIMessage(
                step if isinstance(step, str) else "",
                tool_calls=[
                    {"name": name, "args": arguments, "id": f"{len(messages)}-{number}"}
                    for number, (name, arguments) in enumerate(calls)
                ],
            )
        ]
        self.i = 0
        return super()._generate(messages, *arguments, **options)


def _named(call: Call) -> tuple[str, dict[str, Any]]:
    return ("codemode", {"code": call}) if isinstance(call, str) else call


def agent(kind: str, model: Scripted, *tools: Any, **options: Any) -> Any:
    if kind == "agent":
        return create_agent(model, list(tools), **options)
    bound = model.bind_tools(list(tools))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(list(tools)))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(**options)


def ask(agent: Any, **options: Any) -> list[BaseMessage]:
    """The whole conversation."""
    return list(agent.invoke({"messages": [("user", "Do it.")]}, **options)["messages"])


def of_tools(messages: list[BaseMessage]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]
