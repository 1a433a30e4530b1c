from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fake_native import answer_of

from codemode import ComponentRegistry, ToolError, _values
from codemode._dispatch import Dispatcher
from codemode._failure import without_host_paths
from codemode._loop import BackgroundLoop
from codemode.core import RuntimeContext

_loops: list[BackgroundLoop] = []


@pytest.fixture(autouse=True)
def no_loop_is_left() -> Iterator[None]:
    yield
    while _loops:
        _loops.pop().stop()


def weather(location: str, units: str = "metric") -> dict[str, Any]:
    """Current weather."""
    return {"location": location}


def make(*names: str, **tools: Any) -> Dispatcher:
    registry = ComponentRegistry()
    registry.register_tool(weather)
    for name, component in tools.items():
        registry.register_tool(name, component, description=f"Does {name}.")
    shown = registry.scoped(names) if names else registry
    _loops.append(BackgroundLoop())
    return Dispatcher(shown.entries(), RuntimeContext(), _loops[-1].get)


def ask(dispatcher: Dispatcher, tool: str, /, **arguments: Any) -> Any:
    success, data = answer_of(dispatcher, tool, _values.encode(arguments)[0])
    value = _values.decode(data)
    assert success or set(value) == {"type", "message", "valid_parameters", "suggestions"}
    return value


def test_unknown_tool_and_filter() -> None:
    dispatcher = make("weather", secret=print)
    assert ask(dispatcher, "secret")["message"] == "no tool 'secret' (available tools: weather)"
    answer = ask(dispatcher, "wether")
    assert (answer["type"], answer["suggestions"]) == ("ToolNotFound", ["weather"])


def test_wrong_arguments_name_the_right_ones() -> None:
    assert ask(make(), "weather", locaton="NYC") == {
        "type": "InvalidArguments",
        "message": "invalid arguments for tool 'weather': "
        "location: required, but missing (str); "
        "locaton: no such parameter, did you mean 'location'?",
        "valid_parameters": ["location*: str", "units: str"],
        "suggestions": ["location"],
    }


@pytest.mark.parametrize("data", [b"", b"[1]", b"\xff", b'{"a":', b'{"$codemode": "nonsense"}', b"1"])
def test_hostile_arguments(data: bytes) -> None:
    success, answer = answer_of(make(), "weather", data)
    assert not success
    assert _values.decode(answer)["message"]


def test_a_tool_error_passes_word_for_word() -> None:
    def strict() -> None:
        raise ToolError("no row in /etc/passwd", suggestions=["rows"])

    answer = ask(make(strict=strict), "strict")
    assert (answer["type"], answer["message"], answer["suggestions"]) == (
        "ToolError",
        "no row in /etc/passwd",
        ["rows"],
    )


def test_messages_are_capped() -> None:
    def chatty() -> None:
        raise ValueError("x" * 10_000)

    assert ask(make(chatty=chatty), "chatty")["message"].endswith("x… (10000 characters)")


def test_an_error_whose_text_cannot_be_had() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def failing() -> None:
        raise Odd

    def lookup() -> None:
        raise KeyError(Odd())

    for dispatcher, kind in ((make(tool=failing), "Odd"), (make(tool=lookup), "KeyError")):
        answer = ask(dispatcher, "tool")
        assert (answer["type"], answer["message"]) == (kind, "its text cannot be had: RuntimeError")


def test_half_a_character_in_an_error_leaves_the_rest_readable() -> None:
    def failing() -> None:
        raise ValueError("before \ud800 after")

    success, data = answer_of(make(tool=failing), "tool", b"{}")
    assert not success
    assert json.loads(data)["message"] == "before ? after"
    assert b"ud800" not in data


def test_a_value_that_is_too_large() -> None:
    success, answer = answer_of(make(big=lambda: "x" * 5000), "big", b"{}", value_bytes=4096)
    assert not success
    assert (_values.decode(answer)["type"], _values.decode(answer)["message"]) == (
        "ToolResultTooLarge",
        "the result takes at least 5000 bytes; at most 4096 are allowed (limits.value_bytes)",
    )


def test_warnings_about_odd_members_are_kept() -> None:
    dispatcher = make(odd=lambda: [1, object()])
    assert ask(dispatcher, "odd")[0] == 1
    assert len(dispatcher.warnings) == 1
    assert "odd" in dispatcher.warnings[0]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cannot open '/home/ada/my notes/x'", "cannot open '<host path>'"),
        ("cannot open /usr/lib/x.py, sorry", "cannot open <host path>, sorry"),
        ("see file:///etc/hosts", "see <host path>"),
        ("404 for /api/v1/users", "404 for /api/v1/users"),
        ("404 for https://example.org/etc/passwd", "404 for https://example.org/etc/passwd"),
        ("1/2 of n/a and / alone", "1/2 of n/a and / alone"),
        ("wrote /tmp/given.txt", "wrote /tmp/given.txt"),
    ],
)
def test_host_paths(message: str, expected: str) -> None:
    assert without_host_paths(message, known='{"path": "/tmp/given.txt"}') == expected


def test_meta_tools_obey_the_filter() -> None:
    dispatcher = make("weather", secret=print)
    weather_line = {
        "name": "weather",
        "description": "Current weather.",
        "is_async": False,
        "has_context": False,
        "has_input_schema": True,
        "has_output_schema": True,
    }
    assert ask(dispatcher, "__list__") == {"tools": [weather_line], "count": 1}
    assert ask(dispatcher, "__search__", query="location") == {
        "matches": [{**weather_line, "match_type": "parameter"}],
        "count": 1,
        "query": "location",
    }
    assert ask(dispatcher, "__search__", query="secret")["count"] == 0
    schema = ask(dispatcher, "__schema__", name="weather")
    assert set(schema) == {"tool_name", "input_schema", "output_schema", "description", "is_async", "has_context"}
    assert schema["input_schema"]["required"] == ["location"]
    assert ask(dispatcher, "__schema__", name="secret")["message"] == "no tool 'secret' (available tools: weather)"
    assert ask(dispatcher, "__schema__")["valid_parameters"] == ["name*: str"]


def test_tools_see_the_callers_context_variables() -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    request.set("42")

    async def asynchronous() -> str:
        return request.get()

    dispatcher = make(plain=request.get, asynchronous=asynchronous)
    answers: list[Any] = []
    for name in ("plain", "asynchronous"):
        worker = threading.Thread(target=lambda name=name: answers.append(ask(dispatcher, name)))
        worker.start()
        worker.join(5)
    assert answers == ["42", "42"]


@pytest.mark.parametrize("stop", [lambda dispatcher: dispatcher.abandon(1), lambda dispatcher: dispatcher.close()])
def test_waiting_for_an_async_tool_can_be_stopped(stop: Any) -> None:
    started, cancelled = threading.Event(), threading.Event()

    async def sleeps() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    dispatcher = make(sleeps=sleeps)
    answers: list[Any] = []
    worker = threading.Thread(target=lambda: answers.append(ask(dispatcher, "sleeps")))
    worker.start()
    assert started.wait(5)
    stop(dispatcher)
    worker.join(5)
    assert answers[0]["message"] == "the call was cancelled"
    assert cancelled.wait(5)


@pytest.mark.parametrize("stop", [lambda dispatcher: dispatcher.abandon(1), lambda dispatcher: dispatcher.close()])
def test_an_async_tool_that_was_given_up_before_it_began_is_cancelled(stop: Any) -> None:
    async def sleeps() -> None:
        await asyncio.sleep(60)

    dispatcher = make(sleeps=sleeps)
    stop(dispatcher)
    assert ask(dispatcher, "sleeps")["message"] == "the call was cancelled"


def test_a_call_that_comes_after_the_client_was_closed_starts_no_thread() -> None:
    async def sleeps() -> None:
        await asyncio.sleep(60)

    dispatcher = make(sleeps=sleeps)
    _loops[-1].stop()
    assert ask(dispatcher, "sleeps")["message"] == "the client is closed"
    assert "codemode-async-tools" not in [thread.name for thread in threading.enumerate()]


def test_a_coroutine_that_the_loop_never_came_to_is_closed() -> None:
    coroutines = []

    async def sleeps() -> None:
        await asyncio.sleep(60)

    def made() -> Any:
        coroutines.append(sleeps())
        dispatcher.close()  # after it was called, before it could begin
        return coroutines[0]

    dispatcher = make(made=made)
    assert ask(dispatcher, "made")["message"] == "the call was cancelled"
    assert inspect.getcoroutinestate(coroutines[0]) == inspect.CORO_CLOSED
