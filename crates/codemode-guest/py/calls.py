"""ToolError, and one deferred tool call that runs blocking, as a coroutine, or together with others."""

from __future__ import annotations

import json

from . import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterable
    from typing import Any

    from .channel import Channel


# Kinds that Codemode itself made: their message says it all and needs no prefix.
_OWN_KINDS = [
    *("ToolNotFound", "InvalidArguments", "ApprovalDenied", "ForkedProcess", "Disconnected", "ValueTooLarge"),
    *("ToolError", ""),
]


class ToolError(Exception):
    """A tool call that failed, or could not be made. `str()` says what to do about it, in one paragraph."""

    # What tracebacks print and pickle looks up: the name that user code sees.
    __module__ = "__main__"

    def __init__(
        self,
        message: str = "",
        *,
        tool: str | None = None,
        error_type: str = "ToolError",
        valid_parameters: Iterable[str] = (),
        suggestions: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.tool = tool
        self.error_type = error_type
        self.valid_parameters = list(valid_parameters)
        self.suggestions = list(suggestions)

    def __str__(self) -> str:
        kind = "" if self.error_type in _OWN_KINDS else f"{self.error_type}: "
        about = f"tool {self.tool!r}: " if self.tool and repr(self.tool) not in self.message else ""
        text = f"{about}{kind}{' '.join(self.message.split())}"
        hints = []
        if self.valid_parameters and not all(name in self.message for name in self.valid_parameters):
            hints.append(_parameters(self.valid_parameters))
        if self.suggestions and not any(name in self.message for name in self.suggestions):
            hints.append(f"did you mean {' or '.join(map(repr, self.suggestions))}?")
        return "; ".join([text.rstrip(".") if hints else text, *hints])


def _parameters(described: list[str]) -> str:
    """`location*: str` as the client describes it, `location` alone where it knows no more."""
    parts = [each.partition(": ") for each in described]
    listed = ", ".join(f"{name} ({kind})" if kind else name for name, _, kind in parts)
    legend = " (* = required)" if any(name.endswith("*") for name, _, _ in parts) else ""
    return f"valid parameters: {listed}{legend}"


class ToolNotFound(ToolError, AttributeError):
    """Also an AttributeError, so that `hasattr(tools, name)` and `getattr(tools, name, None)` work."""

    __module__ = "__main__"


ToolNotFound.__name__ = ToolNotFound.__qualname__ = "ToolError"  # one name for user code, in tracebacks as well


class ToolTimeout(ToolError, TimeoutError):
    """The tool did not answer in time. Also the built-in TimeoutError, which code may know better."""

    __module__ = "__main__"


class Call:
    """One call that has not been made yet: `.run()` blocks, `await` does not, `tools.gather` makes many at once.

    It is a coroutine to asyncio (`create_task` asks for send, throw and close), so it fits wherever one does.
    """

    __slots__ = ("_arguments", "_channel", "_coroutine", "tool")

    def __init__(self, channel: Channel, tool: str, arguments: bytes) -> None:
        self.tool = tool
        self._channel = channel
        self._arguments = arguments
        self._coroutine: Coroutine[Any, Any, Any] | None = None

    def run(self) -> Any:
        return self.collect(self.begin())

    def begin(self) -> int:
        try:
            return self._channel.send(self.tool, self._arguments)
        except ChildProcessError:
            message = "tools can be called only from the process that runs the code, not from one that it forked."
            raise ToolError(message, tool=self.tool, error_type="ForkedProcess") from None
        except (EOFError, OSError):
            raise self._gone() from None

    def collect(self, call: int) -> Any:
        try:
            answer = self._channel.wait(call)
        except EOFError:
            raise self._gone() from None
        return self._value(*answer)

    async def _run(self) -> Any:
        call = self.begin()
        try:
            answer = await self._channel.wait_async(call)
        except EOFError:
            raise self._gone() from None
        return self._value(*answer)

    def _value(self, ok: bool, payload: Any) -> Any:
        if not ok:
            raise _failure(self.tool, payload)
        try:
            return values.decode(payload) if payload else None
        except ValueError as exc:
            raise ToolError(f"its answer cannot be read: {exc}", tool=self.tool, error_type="BadAnswer") from None

    def _gone(self) -> ToolError:
        return ToolError("the executor is gone, no answer will come.", tool=self.tool, error_type="Disconnected")

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._run().__await__()

    def _started(self) -> Coroutine[Any, Any, Any]:
        if self._coroutine is None:
            self._coroutine = self._run()
        return self._coroutine

    def send(self, value: Any) -> Any:
        return self._started().send(value)

    def throw(self, *exc: Any) -> Any:
        return self._started().throw(*exc)

    def close(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()

    def __repr__(self) -> str:
        return f"<call of tool {self.tool!r}, not made yet: .run() it, await it or hand it to tools.gather()>"


def gather(*calls: Any, return_exceptions: bool = False) -> list[Any]:
    """Makes all calls at once and waits for all; results in order. Values that are no calls pass through.

    Accepts calls one by one or as one list. After all have ended the first failure is raised, unless
    `return_exceptions`, which puts failures into the list.
    """
    if len(calls) == 1 and not isinstance(calls[0], Call) and hasattr(calls[0], "__iter__"):
        calls = tuple(calls[0])
    begun = [(item, _attempt(item.begin) if isinstance(item, Call) else None) for item in calls]
    results = [
        item if not isinstance(item, Call) else call if isinstance(call, ToolError) else _attempt(item.collect, call)
        for item, call in begun
    ]
    if not return_exceptions:
        for (item, _), got in zip(begun, results, strict=True):
            if isinstance(item, Call) and isinstance(got, ToolError):
                raise got
    return results


def _attempt(step: Any, *arguments: Any) -> Any:
    try:
        return step(*arguments)
    except ToolError as exc:
        return exc


def _failure(tool: str, payload: bytes) -> ToolError:
    try:
        said = json.loads(payload)
        kind = ToolTimeout if said.get("type") == "ToolTimeout" else ToolError
        return kind(
            str(said.get("message") or ""),
            tool=tool,
            error_type=str(said.get("type") or "ToolError"),
            valid_parameters=map(str, said.get("valid_parameters") or ()),
            suggestions=map(str, said.get("suggestions") or ()),
        )
    except Exception:  # noqa: BLE001 whatever it is, it must arrive as a ToolError
        return ToolError("it failed, and its error cannot be read.", tool=tool)
