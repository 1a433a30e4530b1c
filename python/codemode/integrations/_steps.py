"""For frameworks whose agents act by code, and that tell models that variables stay and that tools are functions."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codemode import _checks
from codemode._errors import ToolError
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
_TAKEN = "`{}` was given another value, which is not kept: in the next run it is the tool again."
# Or what one run kept small, and the next unfolds, would be the end of all that follow.
_FORGOTTEN = "The values of the runs before are gone: twice the memory did not suffice, and they take a part of it."
_MISSING = f"An earlier run may have had this name. {_KEPT}"
NO_TEXT = "The output has an int of too many digits to be written as text. Give it as a text, or a part of it."


class Steps(CodeTool):
    """Executions one after the other. Each has a sandbox of its own and finds the values that those before it left.

    They are those of one conversation, and one at a time: what two at once leave is what the one that ends last leaves.
    """

    def __init__(self, client: Codemode, tool_filter: Iterable[str] | None, options: Mapping[str, Any]) -> None:
        names = _checks.names(tool_filter)  # once: it may be an iterator
        self._view, own = extended(client, names)
        super().__init__(own, None, {"keep_variables": True, "bare_tools": True, **options})
        self.variables: dict[str, Any] = dict(self._execution.pop("variables", None) or {})
        self._is_first, self._was_short = True, False
        execution = self._execution
        self.prompt = prompt(
            client, names, execution["keep_variables"], execution["bare_tools"], execution.get("environment")
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Steps:
        """Another conversation from here on: on the same client, with values and a view of its own."""
        twin = copy.copy(self)
        twin._view, twin._client = copy.copy(self._view), self._client.with_context()
        twin._client._registry = twin._view
        twin.variables = copy.deepcopy(self.variables, memo)
        return twin

    def offer(self, tools: Mapping[str, ToolEntry]) -> None:
        """The framework's tools, in place of those it offered before. One of a registered tool's name is called."""
        self._view.offered = dict(tools)

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
        is_keeping = self._execution["keep_variables"]
        # What was ended before its end left nothing, and what was there before is not lost.
        if is_keeping and (result.variables or result.success):
            self.variables = {name: value for name, value in result.variables.items() if name not in self._view.offered}
        is_short = result.outcome == "memory_limit" and not result.variables
        was_short, self._was_short = self._was_short, is_short
        notes = [_TAKEN.format(name) for name in result.variables if name in self._view.offered]
        if is_short and was_short and self.variables:
            self.variables = {}
            notes.append(_FORGOTTEN)
        if is_keeping and not is_first and result.error and result.error.error_type == "NameError":
            notes.append(_MISSING)
        if not notes:
            return answer
        values = {**answer.values, "warnings": [*answer.values.get("warnings", ()), *notes]}
        return replace(answer, text="\n".join([answer.text, *notes]), values=values)


class View(ScopedRegistry):
    """A registry, and beside its tools those of a framework."""

    def __init__(self, parent: ComponentRegistry | ScopedRegistry, names: list[str] | None) -> None:
        super().__init__(parent, names or ())
        self._shows_all = names is None
        self.offered: Mapping[str, ToolEntry] = {}

    def entries(self) -> Mapping[str, ToolEntry]:
        shown = self._parent.entries() if self._shows_all else super().entries()
        return {**shown, **self.offered}


def extended(client: Codemode, tool_filter: Iterable[str] | None) -> tuple[View, Codemode]:
    """A copy of the client, for code that may call the tools of the view beside those that `tool_filter` names."""
    names = _checks.names(tool_filter)
    pick(client.registry.entries(), names or ())
    own = client.with_context()
    own._registry = view = View(client._registry, names)
    return view, own


def offering(
    tool: CodeTool, client: Codemode, tool_filter: Iterable[str] | None, tools: Mapping[str, ToolEntry]
) -> CodeTool:
    """This tool for one execution, whose code may call these as well."""
    view, own = extended(client, tool_filter)
    view.offered = tools
    twin = copy.copy(tool)
    twin._client, twin._tool_filter = own, None
    return twin


def prompt(
    client: Codemode,
    tool_filter: Iterable[str] | None = None,
    is_keeping: bool = True,
    is_bare: bool = True,
    environment: str | None = None,
) -> str:
    """`Codemode.prompt` for executions that keep variables and have tools as functions."""
    names = _checks.names(tool_filter)
    said = f"{_KEPT if is_keeping else _NOTHING_KEPT}{f' {_BARE}' if is_bare else ''}"
    text = client.prompt(names, environment).replace(_NOTHING_KEPT, said, 1)
    # That there are none would be wrong where the framework has some.
    return text if client._offered(names) else text.partition("\n# Tools\n")[0]


def entry(name: str, function: Any, description: str | None = None, schema: Any = None) -> ToolEntry:
    """A framework's function as a tool. Without a schema, the names of its parameters are one: types are the
    framework's own matter, which enforces them or does not.
    """
    documented = description or inspect.getdoc(function) or f"The function {name}."

    def call(**arguments: Any) -> Any:
        return function(**arguments)

    return make_entry(call, ToolOptions(name, documented, _parameters(function) if schema is None else schema))


def named(described: Mapping[str, str], required: Iterable[str], is_open: bool = False) -> dict[str, Any]:
    """The schema of arguments of whatever type, with what is said about each."""
    properties = {name: {"description": text} if text else {} for name, text in described.items()}
    required = list(required)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": is_open}


def ending(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of a tool that ends the code. Code may look away and go on: then what it said first is what counts."""

    def call(**arguments: Any) -> Any:
        function(**arguments)
        raise ToolError("this ends the code: nothing is left to do")

    return call


def has_text(value: Any) -> bool:
    """Frameworks make a text of what they are given. Where that raises, as with an int of many digits, a run ends."""
    try:
        str(value)
    except ValueError:
        return False
    return True


def _parameters(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    given = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    required = [each.name for each in given if each.default is each.empty]
    return named({each.name: "" for each in given}, required, any(each.kind is each.VAR_KEYWORD for each in parameters))
