"""LangChain without its makers' services, and an application with tools of its own."""

from __future__ import annotations

import os

import pytest

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# Read when LangChain is imported.
os.environ |= {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}


@pytest.fixture(params=["agent", "graph"])
def kind(request: pytest.FixtureRequest) -> str:
    """What the tool is given to: LangChain's agent, or a graph of LangGraph's own pieces."""
    return str(request.param)
