"""CrewAI without its makers' services, and an application with tools of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from codemode import Codemode, ComponentRegistry

# Read when CrewAI is imported.
os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "CREWAI_TRACING_ENABLED": "false"}


def pytest_configure(config: pytest.Config) -> None:
    # It warns of its own fields.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:crewai")


class Application:
    """What its tools were called with, in this process, and never in the sandbox."""

    def __init__(self) -> None:
        self.registry = ComponentRegistry()
        self.calls: list[tuple[str, str]] = []
        self._meeting = threading.Barrier(3, timeout=60)
        for tool in (self.weather, self.pay, self.meet, self.later):
            self.registry.register_tool(tool)

    def weather(self, city: str) -> dict[str, float]:
        """Current weather of a city."""
        self.calls.append(("weather", city))
        return {"temperature": 21.5}

    def pay(self, to: str) -> str:
        """Pays an invoice."""
        self.calls.append(("pay", to))
        return f"paid {to}"

    def meet(self, who: str) -> str:
        """Waits for two others."""
        self._meeting.wait()
        return who

    async def later(self, text: str) -> str:
        """The text, from an event loop."""
        return text


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def codemode(application: Application) -> Iterator[Codemode]:
    with Codemode(registry=application.registry) as client:
        yield client


@pytest.fixture(params=["react", "native"])
def mode(request: pytest.FixtureRequest) -> str:
    """How the model calls tools."""
    return str(request.param)
