"""An application of the published package: its registry, and the ToolService that executors call back."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from codemode.core.registry import ComponentRegistry
from codemode.grpc.server import create_tool_server

_LIMIT = 60.0


class Weather:
    def run(self, location: str) -> dict[str, Any]:
        return {"location": location, "temperature": 21.5, "days": 3}


class Later:
    async def run(self, text: str) -> str:
        await asyncio.sleep(0)
        return text * 2


class Add:
    def run(self, a: Any, b: Any) -> Any:
        return a + b


class WhoAmI:
    def run_with_context(self, context: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"context": context}


class Broken:
    def run(self) -> None:
        raise ValueError("the shelf is empty")


class Application:
    """Serves its tools until the `with` block ends."""

    def __init__(self, key: str | None, tls: Any = None, port: int | None = None) -> None:
        self.registry = ComponentRegistry()
        self.port = port or free_port()
        self.marks: list[str] = []
        self.hang = Hang()
        tools = {"weather": Weather(), "later": Later(), "add": Add(), "whoami": WhoAmI(), "broken": Broken()}
        for name, tool in {**tools, "mark": Mark(self.marks), "hang": self.hang}.items():
            self.registry.register_tool(name, tool, description=f"The tool {name}.")
        self._key, self._tls = key, tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    @property
    def target(self) -> str:
        return f"localhost:{self.port}"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = create_tool_server(
            self.registry, host="127.0.0.1", port=self.port, api_key=self._key, tls_config=self._tls
        )
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.stop(None)

    def __enter__(self) -> Application:
        self._thread.start()
        assert self._ready.wait(_LIMIT)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.hang.release.set()
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_LIMIT)


class Mark:
    """Notes what it is given, in this process."""

    def __init__(self, marks: list[str]) -> None:
        self._marks = marks

    def run(self, text: str) -> None:
        self._marks.append(text)


class Hang:
    """Answers when the test is over."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def run(self) -> None:
        self.release.wait(_LIMIT)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
