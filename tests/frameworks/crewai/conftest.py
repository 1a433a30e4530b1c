"""CrewAI without its makers' services, and an application with tools of its own."""

from __future__ import annotations

import os

import pytest

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

# Read when CrewAI is imported.
os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "CREWAI_TRACING_ENABLED": "false"}


def pytest_configure(config: pytest.Config) -> None:
    # It warns of its own fields.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:crewai")


@pytest.fixture(params=["react", "native"])
def mode(request: pytest.FixtureRequest) -> str:
    """How the model calls tools."""
    return str(request.param)
