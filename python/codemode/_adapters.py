"""A client as a tool of agent frameworks. Each is imported by the method that needs it, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode.integrations import google_adk, haystack, langchain, openai_agents
    from codemode.integrations._core import CodeToolOptions
    from codemode.integrations.crewai import CodemodeTool
    from codemode.integrations.pydantic_ai import CodemodeToolset


class Adapters:
    """What `Codemode` offers to agent frameworks.

    Every method takes the same. `tool_filter` names the only tools that code may call. Options: `name`, `description`,
    `max_characters` of an answer, `on_result`, which gets each `ExecutionResult`, and those of `execute`, which then
    hold for every execution. The text for the model has what `prompt` says, so the client connects; tools that are
    registered later are not in it.
    """

    def as_crewai_tool(
        self, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> CodemodeTool:
        """A tool for CrewAI's agents, with `code` as its one argument."""
        from codemode.integrations.crewai import crewai_tool

        return crewai_tool(cast("Codemode", self), tool_filter, options)

    def as_langchain_tool(
        self, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> langchain.CodemodeTool:
        """A tool for the agents of LangChain, LangGraph and deepagents. The artifact of its messages is the
        `ExecutionResult`.
        """
        from codemode.integrations.langchain import langchain_tool

        return langchain_tool(cast("Codemode", self), tool_filter, options)

    def as_openai_agents_tool(
        self, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> openai_agents.CodemodeTool:
        """A tool for OpenAI's agents, with a strict schema."""
        from codemode.integrations.openai_agents import openai_agents_tool

        return openai_agents_tool(cast("Codemode", self), tool_filter, options)

    def as_google_adk_tool(
        self, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> google_adk.CodemodeTool:
        """A tool for Google ADK's agents, with `code` as its one argument. The context has ADK's `user_id`, `app_name`
        and `invocation_id`, and in its `metadata`, which only tools see, `session_id`.
        """
        from codemode.integrations.google_adk import google_adk_tool

        return google_adk_tool(cast("Codemode", self), tool_filter, options)

    def as_pydantic_ai_toolset(
        self, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> CodemodeToolset:
        """A toolset for Pydantic AI's agents, of one tool, `run_code`, with `code` as its one argument."""
        from codemode.integrations.pydantic_ai import pydantic_ai_toolset

        return pydantic_ai_toolset(cast("Codemode", self), tool_filter, options)

    def as_haystack_tool(
        self, tool_filter: Iterable[str] | None = None, **options: Unpack[CodeToolOptions]
    ) -> haystack.CodemodeTool:
        """A tool for Haystack's agents, with `code` as its one argument."""
        from codemode.integrations.haystack import haystack_tool

        return haystack_tool(cast("Codemode", self), tool_filter, options)
