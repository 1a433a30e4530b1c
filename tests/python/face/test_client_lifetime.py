"""The life of a client: closed, forgotten, its components' hooks, a fork."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest
from fake_native import NativeClient, ok, raw, script

import codemode
from codemode import AsyncCodemode, Codemode, ComponentRegistry

Native = type[NativeClient]


def answering(native: Native) -> ComponentRegistry:
    """With an async tool, which any code calls."""

    async def answer() -> int:
        return 42

    registry = ComponentRegistry()
    registry.register_tool(answer, description="The answer.")
    script(native, lambda run: ok(run.call("answer")))
    return registry


def test_a_client_that_nobody_closed_leaves_no_thread(native: Native) -> None:
    Codemode(registry=answering(native)).execute("1")
    native.created.clear()
    deadline = time.monotonic() + 5
    while "codemode-async-tools" in [thread.name for thread in threading.enumerate()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closing(native: Native) -> None:
    client = Codemode()
    twin = client.with_context(a=1)
    twin.close()
    assert native.created[0].events == []
    with pytest.raises(codemode.CodemodeError, match="this client is closed"):
        twin.execute("1")
    client.execute("1")
    other = client.with_config(b=1)
    client.close()
    client.close()
    assert native.created[0].events == ["close"]
    for closed in (client, other):
        with pytest.raises(codemode.CodemodeError, match="closed; create a new one") as caught:
            closed.execute("1")
        assert caught.value.code == "closed"


def test_the_last_copy_of_a_forgotten_client_closes_its_connection(native: Native) -> None:
    with Codemode().with_context(a=1) as client:
        client.execute("1")
    assert native.created[0].events == ["close"]


class Hooked:
    """A component that keeps count."""

    def __init__(self, events: list[str], name: str) -> None:
        self.events, self.name = events, name

    def open(self) -> None:
        time.sleep(0.05)
        self.events.append(f"open {self.name}")

    async def close(self) -> None:
        self.events.append(f"close {self.name}")

    def run(self) -> None: ...


def test_hooks_run_once_per_client_in_order(native: Native) -> None:
    events: list[str] = []
    registry = ComponentRegistry()
    registry.register_tool(Hooked(events, "a"), description="Has hooks.")
    with Codemode(registry=registry) as client:
        script(native, lambda run: raw(warnings=list(events)))
        threads = [threading.Thread(target=client.execute, args=("1",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        registry.register_agent("b", Hooked(events, "b"))
        assert client.with_context(x=1).execute("1").warnings == ("open a", "open b")
    assert events == ["open a", "open b", "close b", "close a"]

    async def main() -> None:
        async with AsyncCodemode(registry=registry) as other:
            await asyncio.gather(other.execute("1"), other.execute("2"))

    events.clear()
    asyncio.run(main())
    assert events == ["open a", "open b", "close b", "close a"]


def test_a_hook_that_fails_names_its_component_and_is_tried_again(native: Native) -> None:
    answers = iter([OSError("no database"), None])

    class Flaky:
        name = "db"

        def open(self) -> None:
            if error := next(answers):
                raise error

        def close(self, path: str) -> None: ...  # takes an argument: no hook

        def run(self) -> None: ...

    registry = ComponentRegistry()
    registry.register_tool(Flaky(), description="Has hooks.")
    client = Codemode(registry=registry)
    with pytest.raises(codemode.RegistryError, match=r"opening tool 'db' failed: OSError: no database"):
        client.execute("1")
    assert client.execute("1").success
    client.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_starts_afresh(native: Native) -> None:
    registry = answering(native)
    client = Codemode(registry=registry)
    assert client.execute("1").result == 42
    registry._lock.acquire()  # as if another thread were registering a tool at this moment
    holder = threading.Thread(target=client._connection._lock.acquire)
    holder.start()
    holder.join()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            thread_alive = "codemode-async-tools" in [thread.name for thread in threading.enumerate()]
            worked = client.execute("1").result == 42
            client.close()
            code = 0 if worked and not thread_alive and native.created[0].events == ["fork", "close"] else 2
        finally:
            os._exit(code)
    registry._lock.release()
    client._connection._lock.release()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert native.created[0].events == []
    assert client.execute("1").result == 42
    client.close()
