"""`await X` awaits X if it can be awaited, and is X otherwise; asyncio's collecting functions likewise.

Tool calls block and return values, as in the seeds, yet models write `await tools[...]` and
`asyncio.gather(tools[...], ...)` as readily. Neither dialect may be a trap.
"""

from __future__ import annotations

import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

NAME = "__codemode_await__"  # what the compiler step wraps every awaited expression in; lives in builtins
_CO_ITERABLE_COROUTINE = 0x100


class _Ready:
    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, Any]:
        return self._value
        yield


def is_awaitable(value: Any) -> bool:
    if type(value) is types.GeneratorType:
        return bool(value.gi_code.co_flags & _CO_ITERABLE_COROUTINE)
    return hasattr(type(value), "__await__")


def awaitable(value: Any) -> Any:
    return value if is_awaitable(value) else _Ready(value)


async def _coroutine(value: Any) -> Any:
    return await awaitable(value)


def _lift(value: Any) -> Any:
    return value if is_awaitable(value) else _coroutine(value)


def run(coroutine: Any) -> Any:
    """For top-level await: the one place where a loop is started on behalf of user code."""
    import asyncio

    return getattr(asyncio.run, "__wrapped__", asyncio.run)(coroutine)


def patch_asyncio() -> None:
    """Called only for code that imports asyncio or awaits at the top: importing it costs tens of milliseconds."""
    import asyncio

    if hasattr(asyncio.gather, "__wrapped__"):
        return
    for name in ("wait_for", "ensure_future", "shield"):
        _wrap(asyncio, name, _lift)
    for name in ("create_task", "run"):  # these take nothing but coroutines
        _wrap(asyncio, name, lambda value: value if asyncio.iscoroutine(value) else _coroutine(value))
    _wrap(asyncio, "as_completed", lambda many: [_lift(each) for each in many])
    # wait() takes no coroutines since 3.11.
    _wrap(asyncio, "wait", lambda many: [asyncio.ensure_future(each) for each in many])
    _wrap_gather(asyncio)


def _wrap(asyncio: Any, name: str, lift: Callable[[Any], Any]) -> None:
    original = getattr(asyncio, name)

    def wrapper(first: Any, *args: Any, **kwargs: Any) -> Any:
        return original(lift(first), *args, **kwargs)

    _replace(asyncio, name, original, wrapper)


def _wrap_gather(asyncio: Any) -> None:
    original = asyncio.gather

    def gather(*many: Any, **kwargs: Any) -> Any:
        return original(*map(_lift, many), **kwargs)

    _replace(asyncio, "gather", original, gather)


def _replace(asyncio: Any, name: str, original: Any, wrapper: Any) -> None:
    wrapper.__name__ = wrapper.__qualname__ = name
    wrapper.__doc__, wrapper.__wrapped__ = original.__doc__, original
    setattr(asyncio, name, wrapper)
