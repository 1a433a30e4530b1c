"""What the application tells its tools about the request at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RuntimeContext:
    """Variables (who asks, for which tenant, …) that context-aware tools receive.

    The client sets it; executed code can read the variables but neither change what a tool gets nor see `metadata`.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        return self.variables.get(key, default)

    def require(self, key: str) -> Any:
        """The variable, or a `KeyError` that names those which exist."""
        try:
            return self.variables[key]
        except KeyError:
            known = ", ".join(sorted(map(str, self.variables))) or "none"
            raise KeyError(f"context variable {key!r} is not set; set are: {known}") from None

    def has(self, key: str) -> bool:
        return key in self.variables

    def set(self, key: str, value: Any) -> None:
        self.variables[key] = value

    def update(self, variables: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self.variables.update(variables or {}, **more)

    def to_dict(self) -> dict[str, Any]:
        return {"variables": dict(self.variables), "metadata": dict(self.metadata)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RuntimeContext:
        return cls(dict(data.get("variables") or {}), dict(data.get("metadata") or {}))

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> RuntimeContext:
        return cls.from_dict(json.loads(text))

    def __len__(self) -> int:
        return len(self.variables)

    def __bool__(self) -> bool:
        # An empty context is still a context: without this, `len` would make it false.
        return True


def as_context(value: RuntimeContext | Mapping[str, Any] | None) -> RuntimeContext:
    """A context of one's own, from a context or from plain variables."""
    if isinstance(value, RuntimeContext):
        return RuntimeContext(dict(value.variables), dict(value.metadata))
    return RuntimeContext(dict(value or {}))


def overlay(*layers: RuntimeContext | Mapping[str, Any] | None) -> RuntimeContext:
    """One context from several; later layers win, key by key."""
    merged = RuntimeContext()
    for layer in layers:
        if isinstance(layer, RuntimeContext):
            merged.variables.update(layer.variables)
            merged.metadata.update(layer.metadata)
        elif layer is not None:
            merged.variables.update(layer)
    return merged
