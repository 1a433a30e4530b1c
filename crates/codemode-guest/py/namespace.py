"""The `__main__` that user code runs in, and the read-only `context` and `config` in it."""

from __future__ import annotations

import builtins
import linecache
import sys
import types

from . import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class ReadOnly(dict):  # type: ignore[type-arg]
    """A dict (so it prints, serialises and compares as one) that refuses changes and reads as attributes too."""

    def __init__(self, items: dict[Any, Any]) -> None:
        super().__init__({key: ReadOnly(item) if type(item) is dict else item for key, item in items.items()})

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no {name!r}; there is: {', '.join(map(str, self)) or 'nothing'}") from None

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("context and config are read-only; make a copy with dict(...)")

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnly, (dict(self),)  # multiprocessing may hand it to another process


def read_only(data: bytes) -> Any:
    value = values.decode(data) if data else {}
    return ReadOnly(value) if isinstance(value, dict) else {} if value is None else value


def fresh_main(names: dict[str, Any]) -> dict[str, Any]:
    """The real `__main__` (pickle and multiprocessing look it up). No `__file__`: there is no such file to import."""
    main = types.ModuleType("__main__")
    namespace = main.__dict__
    namespace["__builtins__"] = builtins
    namespace.update(names)
    sys.modules["__main__"] = main
    return namespace


def name_main(filename: str, source: str) -> None:
    sys.argv = [filename]
    # No modification time: linecache then never looks for the file and keeps the lines.
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
