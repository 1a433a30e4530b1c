"""For frameworks whose agents act by code, and that tell models that variables stay and that tools are functions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codemode import _checks
from codemode._errors import ConfigError
from codemode._marker import ToolOptions
from codemode._registry import ComponentRegistry, ScopedRegistry, pick
from codemode._tool import ToolEntry, make_entry
from codemode.integrations._core import Answer, CodeTool

if TYPE_CHECKING:
    from codemode._client import Codemode

# In the client's prompt, and what is true here.
_NOTHING_KEPT = "Nothing is kept between two runs."
_KEPT = (
    "The values at the top of the code are kept for the next run. Functions, classes, imports and open files are not: "
    "write them again in each run that uses them."
)
_BARE = "Each tool is also a function of its own name."
_MISSING = f"An earlier run may have had this name. {_KEPT}"

_views = itertools.count(1)


class Steps(CodeTool):
    """Executions one after the other. Each has a sandbox of its own and finds the values that those before it left.

    They are those of one conversation, and one at a time: what two at once leave is what the one that ends last leaves.
    """

    def __init__(self, client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> None:
        self._view, own = extended(client, tool_filter)
        super().__init__(own, None, {"keep_variables": True, "bare_tools": True, **options})
        self.variables: dict[str, Any] = dict(self._execution.pop("variables", None) or {})
        self._is_first = True
        self.prompt = prompt(client, tool_filter)

    def offer(self, tools: Mapping[str, ToolEntry]) -> None:
        """The framework's tools, in place of those it offered before. One of a registered tool's name is called."""
        self._view.offer(tools)

    def give(self, variables: Mapping[str, Any]) -> None:
        """Values for the executions that follow, as if one before had left them."""
        self.variables.update(_checks.variables(variables))

    def run(self, code: str, seen: Mapping[str, Any] | None = None, **this: Any) -> Answer:
        return self._kept(super().run(code, seen, **{**this, "variables": self._given(this)}))

    async def run_async(self, code: str, seen: Mapping[str, Any] | None = None, **this: Any) -> Answer:
        return self._kept(await super().run_async(code, seen, **{**this, "variables": self._given(this)}))

    def _given(self, this: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.variables, **this.get("variables", {})}

    def _kept(self, answer: Answer) -> Answer:
        result = answer.result
        if result is None:
            return answer
        is_first, self._is_first = self._is_first, False
        # What was ended from outside left nothing, and what was there before is not lost.
        if self._execution["keep_variables"] and (result.variables or result.outcome in ("ok", "error")):
            self.variables = {name: value for name, value in result.variables.items() if _is_usable(name)}
        if is_first or not result.error or result.error.error_type != "NameError":
            return answer
        values = {**answer.values, "advice": f"{answer.values['advice']} {_MISSING}"}
        return replace(answer, text=f"{answer.text} {_MISSING}", values=values)


class View(ScopedRegistry):
    """A registry, and beside its tools those of a framework."""

    def __init__(self, parent: ComponentRegistry | ScopedRegistry, names: list[str] | None) -> None:
        super().__init__(parent, names or ())
        self._shows_all = names is None
        self._number = next(_views)
        self._offered: Mapping[str, ToolEntry] = {}

    def offer(self, tools: Mapping[str, ToolEntry]) -> None:
        self._offered = dict(tools)

    @property
    def revision(self) -> int:
        # A client knows by it, and by the object's id, whether it has opened the components of this view.
        return hash((self._number, self._parent.revision))

    def entries(self) -> Mapping[str, ToolEntry]:
        shown = self._parent.entries() if self._shows_all else super().entries()
        return {**shown, **self._offered}


def extended(client: Codemode, tool_filter: Iterable[str] | None) -> tuple[View, Codemode]:
    """A copy of the client, for code that may call the tools of the view beside those that `tool_filter` names."""
    names = _checks.names(tool_filter)
    pick(client.registry.entries(), names or ())
    own = client.with_context()
    own._registry = view = View(client._registry, names)
    return view, own


def prompt(client: Codemode, tool_filter: Iterable[str] | None = None) -> str:
    """`Codemode.prompt` for executions that keep variables and have tools as functions."""
    return client.prompt(tool_filter).replace(_NOTHING_KEPT, f"{_KEPT} {_BARE}", 1)


def entry(name: str, function: Any, description: str | None = None, schema: Any = None) -> ToolEntry:
    """A framework's function as a tool. Without a schema, its type hints are one."""
    return make_entry(function, ToolOptions(name, description or f"The function {name}.", schema))


def _is_usable(name: str) -> bool:
    """Whether the next execution can be given it. The code has its word in what comes back."""
    try:
        _checks.variables({name: None})
    except ConfigError:
        return False
    return True
