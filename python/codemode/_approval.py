"""Which calls of a tool may run, which never may, and which a person decides."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

from codemode._context import RuntimeContext
from codemode._errors import RegistryError, ToolError
from codemode._values import OpaqueValue

Action = Literal["allow", "ask", "deny"]
_ACTIONS: tuple[Action, ...] = ("deny", "ask", "allow")


@dataclass(frozen=True)
class ApprovalRule:
    """What becomes of calls whose argument matches the pattern.

    The pattern is a glob (`*`, `?`, `[…]`, case-sensitive) on the argument as the tool gets it: text as it is, other
    values as compact JSON with sorted keys. Of a list, an `ask` or `deny` rule matches the whole or any member, an
    `allow` rule every member. What the code left out has its default. To an `ask` or `deny` rule 5 is the same as 5.0.
    """

    argument: str
    pattern: str
    action: Action


@dataclass(frozen=True)
class Approval:
    """Rules on the arguments of a tool, and what becomes of calls that none of them matches.

    `deny` beats `ask`, `ask` beats `allow`, whatever the order of the rules; all of them beat the default.
    """

    default: Action = "ask"
    rules: Sequence[ApprovalRule] = ()


# What an application may write for a tool: True is "ask", a list of rules has the default "allow".
ApprovalOption = Approval | Sequence[ApprovalRule] | Action | bool | None


@dataclass(frozen=True)
class ApprovalRequest:
    """One call that waits for a decision. `arguments` are a copy of what the tool will get."""

    tool: str
    arguments: Mapping[str, Any]
    reason: str
    context: RuntimeContext
    execution_id: str
    call_id: int


@dataclass(frozen=True)
class ApprovalDecision:
    """An answer with its reason, which the code is told where the answer is no."""

    allow: bool
    reason: str | None = None


Decision = bool | ApprovalDecision
OnApproval = Callable[[ApprovalRequest], Decision | Awaitable[Decision]]


class ApprovalDenied(ToolError):
    """What the code gets for a call that was denied."""


def approval_from(option: Any, tool: str) -> Approval | None:
    """The rules that an application wrote for a tool; None where every call may run. `RegistryError` if they are no
    rules, or if one of them can never take effect.
    """
    if option is None or option is False or option == "allow":
        return None
    if option is True:
        return Approval("ask")
    if isinstance(option, str):
        return Approval(_action(option, tool))
    if isinstance(option, Approval):
        approval = Approval(_action(option.default, tool), _rules(option.rules, tool))
    else:
        approval = Approval("allow", _rules(option, tool))
    return approval if approval.rules or approval.default != "allow" else None


def _action(word: Any, tool: str) -> Action:
    for action in _ACTIONS:
        if word == action:
            return action
    raise RegistryError(f"approval of tool {tool!r} must be 'allow', 'ask' or 'deny', got {word!r}")


def _rules(given: Any, tool: str) -> tuple[ApprovalRule, ...]:
    if isinstance(given, ApprovalRule):
        raise RegistryError(f"approval of tool {tool!r}: rules are a list; write [ApprovalRule(…)]")
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise RegistryError(
            f"approval of tool {tool!r} must be 'allow', 'ask', 'deny', an Approval or a list of ApprovalRule, "
            f"got {given!r}"
        )
    for rule in given:
        if not isinstance(rule, ApprovalRule):
            raise RegistryError(f"approval of tool {tool!r}: {rule!r} is no ApprovalRule")
        if not isinstance(rule.argument, str) or not isinstance(rule.pattern, str):
            raise RegistryError(f"approval of tool {tool!r}: argument and pattern must be text in {rule!r}")
        _action(rule.action, tool)
    return tuple(given)


def shown(value: Any) -> Any:
    """What patterns are matched against; of what cannot be shown completely, that it cannot."""
    try:
        return _plain(value)
    except Exception:  # of values that only the application's own types know how to hold
        return OpaqueValue("", type(value).__name__)


def _plain(value: Any) -> Any:
    """The value in JSON's types with nothing hidden: no serializer of a model has a say, and secrets are open."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode()
    if isinstance(value, Mapping):
        return _object(list(value.items()))
    if isinstance(value, AbstractSet):
        return sorted((_plain(member) for member in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _object([(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)])
    return _of_pydantic(value)


def _object(items: list[tuple[Any, Any]]) -> dict[str, Any]:
    members = {key if isinstance(key, str) else json.dumps(_plain(key)): _plain(member) for key, member in items}
    if len(members) != len(items):
        raise ValueError("two keys have the same text")
    return members


def _of_pydantic(value: Any) -> Any:
    # Whoever hands in such a value has loaded pydantic already.
    from pydantic import BaseModel, RootModel, SecretBytes, SecretStr
    from pydantic_core import to_jsonable_python

    if isinstance(value, (SecretStr, SecretBytes)):
        return _plain(value.get_secret_value())
    if isinstance(value, RootModel):
        return _plain(value.root)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        members = [(field.alias or name, getattr(value, name)) for name, field in fields]
        return _object([*members, *(value.model_extra or {}).items()])
    plain = to_jsonable_python(value)  # dates, paths, decimals, …
    if plain is not None and not isinstance(plain, (str, int, float, bool)):
        raise TypeError(f"{type(value).__name__} has no text")
    return plain
