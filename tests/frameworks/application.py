"""An application whose tools code calls from the sandbox. Import `application` and `codemode` into a conftest."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from codemode import Codemode, ComponentRegistry

# Programs for it.
WEATHER = "tools.weather(city='Oslo')"
PAY = "tools.pay(to='Ada')"


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
