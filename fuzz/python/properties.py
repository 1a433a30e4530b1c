"""What the Python targets check: functions from bytes to nothing that raise where a promise is broken.

The tests run them on the seeds and on every input that was ever found, without a fuzzer (`tests/python/fuzz`).
"""

from __future__ import annotations

import datetime
import decimal
import importlib
import math
import sys
import types
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "fuzzed_face"


def _codec() -> tuple[Any, Any]:
    """The value codec alone: the package around it needs the native extension. Both ends run these very files."""
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(ROOT / "python/codemode")]
    sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}._values"), importlib.import_module(f"{PACKAGE}._values_frames")


values, frames = _codec()


def decode(data: bytes) -> None:
    """Any text is a value or a ValueError; a value that was read can be written, and then reads as itself."""
    with patch.object(frames, "_library", lambda name: None):  # as where neither numpy nor pandas is installed
        _decode(data)


def tables(data: bytes) -> None:
    """The same where they are."""
    _decode(data)


def _decode(data: bytes) -> None:
    try:
        value = values.decode(data)
    except ValueError:
        return
    written, warnings = values.encode(value)
    if warnings:  # reading goes a little deeper than writing, and that is the only difference
        assert all("nested too deeply" in text for text in warnings), warnings
        return
    assert same(values.decode(written), value), written[:500]
    if b'set"' not in written:  # sets have no order
        assert values.encode(values.decode(written))[0] == written, "writing once more gives another text"


def round_trip(data: bytes) -> None:
    """Any value of the kinds that cross arrives as it was, within the limit or not at all."""
    choices = Choices(data)
    limit = choices.number(2)
    value = make(choices, 0)
    written, warnings = values.encode(value)
    assert not warnings, warnings
    assert same(values.decode(written), value), written[:500]
    try:
        within, _ = values.encode(value, max_bytes=limit)
    except values.ValueTooLarge as exc:
        assert len(written) > limit, "refused below its limit"
        assert limit < exc.size <= len(written), "the size is a lower bound"
    else:
        assert within == written
        assert len(written) <= limit
    with patch.object(values, "BEHIND_BYTES", 1):
        parts, _ = values.encode_parts(value)
    assert same(values.decode(b"".join(parts)), value), parts[0][:500]
    assert b"\0" not in parts[0]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "values_decode": decode,
    "values_tables": tables,
    "values_round_trip": round_trip,
}


class Choices:
    """Decisions taken from the input. All zeroes behind its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bytes(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        self._at += count
        return part

    def number(self, count: int = 1) -> int:
        return int.from_bytes(self.bytes(count), "little")

    def few(self) -> range:
        return range(self.number() % 5 if self._at < len(self._data) else 0)


def _text(choices: Choices) -> str:
    raw = choices.bytes(choices.number() % 6 * 2)
    return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass") if choices.number() & 1 else raw.decode("latin-1")


def _float(choices: Choices) -> float:
    return float.fromhex(f"{choices.number(7) - (1 << 55)}p{choices.number(1) - 128}")


def _when(choices: Choices) -> datetime.datetime:
    zone = datetime.timezone(datetime.timedelta(seconds=choices.number(2) - 32768)) if choices.number() & 1 else None
    start = datetime.datetime(1, 1, 1, tzinfo=zone, fold=choices.number() & 1)
    return start + datetime.timedelta(seconds=choices.number(4) * 70, microseconds=choices.number(3))


SPECIAL = (math.nan, math.inf, -math.inf, -0.0, None, True, False, "$codemode", {"$codemode": 1}, 10**5000, range(3))
ATOMS: tuple[Callable[[Choices], Any], ...] = (
    lambda c: SPECIAL[c.number() % len(SPECIAL)],
    lambda c: c.number(9) - (1 << 70),
    lambda c: (c.number(2) + 1) << c.number(2) % 9000,
    _float,
    _text,
    lambda c: c.bytes(c.number() % 9),
    lambda c: decimal.Decimal(c.number(5)).scaleb(c.number(2) - 32768),
    lambda c: uuid.UUID(int=c.number(16)),
    _when,
    lambda c: _when(c).date(),
    lambda c: _when(c).timetz(),
    lambda c: datetime.timedelta(c.number(3), c.number(2), c.number(3)),
)


def make(choices: Choices, depth: int) -> Any:
    kind = choices.number() % (len(ATOMS) + 7)
    if kind < len(ATOMS) or depth > 12:
        return ATOMS[kind % len(ATOMS)](choices)
    if kind == len(ATOMS):
        return {_text(choices): make(choices, depth + 1) for _ in choices.few()}
    if kind == len(ATOMS) + 1:
        return {_hashable(choices): make(choices, depth + 1) for _ in choices.few()}
    if kind == len(ATOMS) + 2:
        return tuple(make(choices, depth + 1) for _ in choices.few())
    if kind == len(ATOMS) + 3:
        return (set, frozenset)[choices.number() & 1](_hashable(choices) for _ in choices.few())
    if kind == len(ATOMS) + 4:
        return bytearray(choices.bytes(4))
    if kind == len(ATOMS) + 5:
        return complex(_float(choices), _float(choices))
    return [make(choices, depth + 1) for _ in choices.few()]


def _hashable(choices: Choices) -> Any:
    value = ATOMS[choices.number() % len(ATOMS)](choices)
    if type(value) is dict:
        return "a dict"
    return (value, 1) if choices.number() & 1 else value


def same(a: Any, b: Any) -> bool:
    """Equal, and of one type all the way down, -0.0 and nan included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, decimal.Decimal):
        return bool(a.as_tuple() == b.as_tuple())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (set, frozenset)):
        return same(sorted(a, key=values.encode), sorted(b, key=values.encode))  # by their texts
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    if isinstance(a, (datetime.datetime, datetime.time)):
        return (a.isoformat(), a.fold) == (b.isoformat(), b.fold)
    if type(a).__module__.partition(".")[0] in ("numpy", "pandas"):
        return True  # what they hold is compared by its text
    return bool(a == b)
