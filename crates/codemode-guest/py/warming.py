"""Throw-away runs in the zygote, so that its children find every page touched and every module imported. Each takes its
code from a bridge of the kind that executions have, with nobody at its other end: a rehearsal.

Leaves nothing behind: no thread, no `__main__`, no audit hook (those cannot be removed). Modules stay few: asyncio,
threading and the rest load when user code asks for them, or by the operator's `preload`.
"""

from __future__ import annotations

import linecache
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType

    from .channel import Bridge

    # One that brings this code, offers the tool `echo`, and has answered the first call of it.
    Rehearsal = Callable[[str], Bridge]

_SNIPPETS = (
    "2 + 2",
    "import sys\ndef f(n):\n    return {'n': n, 'tool': tools['echo'].run(text='hi')}\nresult = [f(1), 1.5, (2, b'')]",
    "def fail():\n    raise ValueError('warm')\nfail()",
    "x = (",
)


# CPython writes to a function's code until it has run this often and is specialised: then a child need not copy it.
ROUNDS = 9

# What nearly every execution does.
FIRST = _SNIPPETS[:2]


def warm_up(rehearsal: Rehearsal, snippets: tuple[str, ...] = _SNIPPETS) -> None:
    from . import ending
    from .runner import Execution

    before, arguments = sys.modules.get("__main__"), sys.argv
    try:
        for code in snippets:
            bridge = rehearsal(code)
            execution = Execution(bridge)
            execution.hook()
            start = bridge.start()
            execution.begin(start)
            execution.perform()
            execution.report(*execution.result(), None)
            linecache.cache.pop(start["filename"], None)
        ending.save_figures()
        ending.flush()
        execution.unbuffer()
    finally:
        if before is None:
            del sys.modules["__main__"]
        else:
            sys.modules["__main__"] = before
        sys.argv = arguments


# What code does first with modules that operators preload, and that writes to hundreds of pages.
_FIRST_USES = {
    "numpy": """
import numpy
array = numpy.arange(6).reshape(2, 3)
str(array.sum(axis=0)), (array > 2).any(), array.mean(), array[0].tolist()
""",
    "pandas": """
import pandas
frame = pandas.DataFrame({'key': ['a', 'b', 'a'], 'value': [1, 2, 3]})
str(frame), frame.groupby('key')['value'].sum()['a'], frame[frame['value'] > 1].to_dict('records')
""",
}
_learned: list[CodeType] = []


def learn(preload: Iterable[str]) -> None:
    """Prepares first uses of these modules, and makes each once. What fails in the zygote is no use in its children."""
    for name in preload:
        with suppress(Exception):
            use = compile(_FIRST_USES[name], name, "exec", dont_inherit=True)
            exec(use, {})
            _learned.append(use)


def use_preloaded() -> None:
    for use in _learned:
        with suppress(Exception):
            exec(use, {})
