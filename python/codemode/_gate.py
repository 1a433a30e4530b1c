"""The approval of one tool, tied to its schema: what a rule looks at is what the tool gets."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined

from codemode import _values
from codemode._approval import Action, Approval, approval_from, shown
from codemode._errors import RegistryError, did_you_mean, nearest
from codemode._explain import resolve
from codemode._schema import Arguments, Schema

if TYPE_CHECKING:
    from codemode._native import NativeApproval


@dataclass(frozen=True)
class Gate:
    """`keys` are the names under which the tool gets what rules call by the schema's names."""

    approval: Approval
    keys: Mapping[str, str]
    defaults: Mapping[str, Any]
    rules: NativeApproval

    def verdict(self, arguments: Mapping[str, Any]) -> tuple[Action, str]:
        """`arguments` are validated."""
        complete = {**self.defaults, **arguments}
        renamed = {name: complete[key] for name, key in self.keys.items() if key in complete}
        complete |= renamed
        looked_at = {rule.argument for rule in self.approval.rules if rule.argument in complete}
        encoded, _ = _values.encode({name: shown(complete[name]) for name in looked_at}, reprs=False)
        return self.rules.judge(encoded)


def gate_for(option: Any, tool: str, schema: Schema, signature: inspect.Signature | None) -> Gate | None:
    """None where every call may run. `RegistryError` for rules that do not fit the tool."""
    approval = approval_from(option, tool)
    if approval is None:
        return None
    properties, is_open = _parameters(schema)
    keys = _keys(schema)
    known = {**dict.fromkeys(schema.names.values()), **keys} if isinstance(schema, Arguments) else properties
    for rule in approval.rules:
        if rule.argument in known or (is_open and rule.argument not in properties):
            continue
        near = nearest(rule.argument, known)
        hint = f", {did_you_mean(near)}" if near else ""
        raise RegistryError(
            f"approval of tool {tool!r}: the tool has no parameter {rule.argument!r}{hint} "
            f"(parameters: {', '.join(properties) or 'none'})"
        )
    return Gate(approval, keys, _defaults(schema, properties, signature), _native(approval, tool))


def _native(approval: Approval, tool: str) -> NativeApproval:
    """The rules as they are judged, by the same code that the Rust client has."""
    native = importlib.import_module("codemode._native")
    spec = json.dumps({"default": approval.default, "rules": [asdict(rule) for rule in approval.rules]})
    try:
        rules: NativeApproval = native.NativeApproval(spec.encode())
    except native.NativeError as error:
        raise RegistryError(f"approval of tool {tool!r}: {error.args[1]}") from None
    return rules


def _parameters(schema: Schema) -> tuple[dict[str, Any], bool]:
    """The parameters that the schema names, and whether it says that there may be others."""
    properties: dict[str, Any] = {}
    is_open = False
    pending: list[Any] = [schema.json]
    seen: set[int] = set()
    while pending:
        shape = resolve(pending.pop(), schema.json)
        if not isinstance(shape, Mapping) or id(shape) in seen:
            continue
        seen.add(id(shape))
        properties = {**shape.get("properties", {}), **properties}
        is_open = is_open or bool(shape.get("additionalProperties")) or "patternProperties" in shape
        pending += [branch for key in ("allOf", "anyOf", "oneOf") for branch in shape.get(key, ())]
    return properties, is_open


def _keys(schema: Schema) -> dict[str, str]:
    """The fields of a model that the code knows under another name."""
    if not isinstance(schema, Arguments):
        return {}
    keys: dict[str, str] = {}
    for field, key in schema.names.items():
        info = schema.model.model_fields[field]
        choices = getattr(info.validation_alias, "choices", (info.validation_alias,))
        keys |= {alias: key for alias in (info.alias, *choices) if isinstance(alias, str) and alias != key}
    return keys


def _defaults(schema: Schema, properties: Mapping[str, Any], signature: inspect.Signature | None) -> dict[str, Any]:
    """What the tool gets for arguments that the code leaves out."""
    if isinstance(schema, Arguments):
        fields = {key: schema.model.model_fields[field] for field, key in schema.names.items()}
        return {key: info.default for key, info in fields.items() if info.default is not PydanticUndefined}
    said = {
        name: member["default"]
        for name, member in properties.items()
        if isinstance(member, Mapping) and "default" in member
    }
    # Nobody fills in what a hand-written schema calls the default: the function's own is what counts.
    parameters = signature.parameters.values() if signature else ()
    own = {parameter.name: parameter.default for parameter in parameters}
    return said | {name: default for name, default in own.items() if default is not inspect.Parameter.empty}
