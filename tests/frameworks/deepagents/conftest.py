"""deepagents without its makers' services, an application with tools of its own, and a sandbox for an agent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from codemode import Codemode
from codemode.integrations._shell import COMMANDS
from frameworks.application import Application, application

__all__ = ["application"]

# Read when LangChain is imported.
os.environ |= {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}


@pytest.fixture
def codemode(application: Application) -> Iterator[Codemode]:
    policy = {"execution": {"allowed_commands": [*COMMANDS, "cat", "sleep"]}}
    with Codemode.local(policy, registry=application.registry) as client:
        yield client
