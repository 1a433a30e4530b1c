"""The keys as the product has them, and every way to give each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from codemode import _native

Kind = Literal["client", "sidecar"]


@dataclass(frozen=True)
class Key:
    name: str
    aliases: tuple[str, ...]
    variables: tuple[str, ...]
    unit: str
    allowed: Any
    default: Any
    about: str


@cache
def keys(kind: Kind) -> dict[str, Key]:
    found = (
        Key(
            key["key"], tuple(key["aliases"]), tuple(key["variables"]), key["kind"], json.loads(key["allowed"]),
            json.loads(key["default"]), key["about"],
        )
        for key in _native.config_keys(kind)
    )  # fmt: skip
    return {key.name: key for key in found}


def spellings(kind: Kind, names: Iterable[str]) -> list[tuple[str, str]]:
    """`(key, spelling)`, the key's own first. A key that is gone has none, which `test_contract.py` tells."""
    known = keys(kind)
    return [(name, spelt) for name in names if name in known for spelt in (name, *known[name].aliases)]


def variables(kind: Kind) -> list[tuple[str, str]]:
    """`(key, variable)`."""
    return [(key.name, variable) for key in keys(kind).values() for variable in key.variables]
