"""Reading values: `decode`, and what it makes of tags that no builtin type matches.

The input is hostile: `decode` raises ValueError and nothing else, runs no code of the sender's choosing, and its work
is linear in the input (nearly so for huge integers).
"""

from __future__ import annotations

import binascii
import json
import re
import sys
from contextlib import suppress
from itertools import accumulate

TYPE_CHECKING = False  # the name mypy knows; `typing` itself costs milliseconds in the zygote
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TAG = "$codemode"
MAX_DEPTH = 100  # of values; the wire nests at most three deep per level, far below the C parser's own limit
MAX_WIRE_DEPTH = 3 * MAX_DEPTH + 20
MAX_INT_DIGITS = 1_000_000


class OpaqueValue(str):
    """The repr of a value that could not be carried; `type_name` says what it was."""

    type_name: str

    def __new__(cls, text: str, type_name: str = "object") -> OpaqueValue:
        self = super().__new__(cls, text)
        self.type_name = type_name
        return self


class Record(dict):  # type: ignore[type-arg]
    """A dataclass or model from the other side: a dict whose fields also read as attributes.

    Both `r["name"]` and `r.name` work because its receiver is often a language model's code, which knows the tool's
    return type as a class or as its schema. A field that is named like a dict method is reached by `[...]` only.
    """

    _type_name = "object"

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{self._type_name} has no field {name!r}") from None


class TupleRecord(tuple):  # type: ignore[type-arg]
    """A named tuple from the other side: a tuple whose members also read as attributes."""

    _fields: tuple[str, ...] = ()
    _type_name = "tuple"

    def __getattr__(self, name: str) -> Any:
        if name in self._fields:
            return self[self._fields.index(name)]
        raise AttributeError(f"{self._type_name} has no field {name!r}")


class ValueTooLarge(ValueError):
    """The text is larger than allowed; `size` is a lower bound, because writing stops at the limit."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the value takes at least {size} bytes, the limit is {limit}")
        self.size = size
        self.limit = limit


def is_text(key: str) -> bool:
    try:
        return key.isascii() or bool(key.encode())
    except UnicodeEncodeError:
        return False


def clean(text: str, limit: int) -> str:
    return text[:limit].encode("utf-8", "backslashreplace").decode()


def decode(data: Any) -> Any:
    """The value of such bytes or text, or of an object that hands out text and bytes as `_Split` does. ValueError for
    anything that `encode` or `encode_parts` could not have written."""
    try:
        if isinstance(data, bytes):
            data = _Split(data) if b"\0" in data else str(data, "utf-8")
        text = data if isinstance(data, str) else data.text()
        behind = data if text is not data and data.left() else None
        if text.count("[") + text.count("{") > MAX_WIRE_DEPTH:
            _check_depth(text)
        tagged = TAG in text or "\\u0024" in text
        if 0 < _int_limit() <= 10_000:
            try:
                return _read(text, behind, _TAGGED if tagged else _UNTAGGED)
            except json.JSONDecodeError:
                raise
            except ValueError:
                pass  # an integer beyond the interpreter's limit, or a bad tag: the careful decoder says which
        return _read(text, behind, _TAGGED_BIG if tagged else _UNTAGGED_BIG)
    except ValueError:
        raise
    except Exception as exc:  # noqa: BLE001 the promise: ValueError and nothing else
        raise ValueError(f"malformed value: {type(exc).__name__}: {exc}") from None


def _read(text: str, behind: Any, decoder: json.JSONDecoder) -> Any:
    if not behind:
        return _parsed(text, decoder)
    behind.rewind()

    def restore(obj: dict[str, Any]) -> Any:
        if "n" not in obj or obj.get(TAG) not in ("bytes", "bytearray"):
            return _restore(obj)
        data = behind.take(_typed(obj["n"], int))
        return data if obj[TAG] == "bytes" else bytearray(data)

    value = json.JSONDecoder(parse_constant=_refuse_constant, object_hook=restore, parse_int=decoder.parse_int).decode(
        text
    )
    if behind.left():
        raise ValueError("more bytes came than the tags announce")
    return value


def _parsed(text: str, decoder: json.JSONDecoder) -> Any:
    """As `decoder.decode`, which looks for spaces around the value: there are none where `encode` wrote it."""
    if text[:1] not in " \t\n\r":
        value, end = decoder.raw_decode(text)
        if end == len(text):
            return value
    return decoder.decode(text)


class _Split:
    """A value whose text has bytes behind it. Each is handed out once and in order: whatever the tags say of their
    lengths, they cannot make more of them than came."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._behind = self._at = data.index(b"\0") + 1
        if not self.left():
            raise ValueError("no bytes came behind the text")

    def text(self) -> str:
        return str(self._data[: self._behind - 1], "utf-8")

    def rewind(self) -> None:
        self._at = self._behind

    def take(self, count: int) -> bytes:
        if not 0 <= count <= self.left():
            raise ValueError("fewer bytes came than a tag announces")
        self._at += count
        return bytes(self._data[self._at - count : self._at])

    def left(self) -> int:
        return len(self._data) - self._at


def frames() -> Any:
    """Arrays and tables: a file of its own, read only by those who have them."""
    from importlib import import_module

    return import_module(f"{__name__.rpartition('.')[0]}._values_frames")


_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # linear: an unclosed string matches as well
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def _check_depth(text: str) -> None:
    """Before the C parser sees it: its own guard is only as low as the application's recursion limit."""
    brackets = _NO_BRACKETS.sub("", _STRINGS.sub("", text))
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_WIRE_DEPTH:
        raise ValueError("the value is nested too deeply")


def _int_limit() -> int:
    return getattr(sys, "get_int_max_str_digits", int)()  # 0, no limit, before 3.10.7


def _parse_int(text: str) -> int:
    """Splitting keeps it below any interpreter limit and below quadratic time."""
    digits = text.lstrip("-")
    if len(digits) > MAX_INT_DIGITS:
        raise ValueError(f"an integer of more than {MAX_INT_DIGITS} digits")
    powers: dict[int, int] = {}

    def power(count: int) -> int:
        if count not in powers:
            half = count >> 1
            powers[count] = 10**count if count <= 600 else power(half) * power(count - half)
        return powers[count]

    def convert(part: str) -> int:
        if len(part) <= 600:
            return int(part)
        half = len(part) >> 1
        return convert(part[:-half]) * power(half) + convert(part[-half:])

    return -convert(digits) if text[0] == "-" else convert(digits)


def int_text(value: int) -> str:
    """Decimal digits by way of libmpdec: no interpreter limit to switch off, and not quadratic before Python 3.12."""
    import decimal

    context = decimal.Context(decimal.MAX_PREC, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[decimal.Inexact])
    powers: dict[int, decimal.Decimal] = {}

    def power(bits: int) -> decimal.Decimal:
        if bits not in powers:
            half = bits >> 1
            powers[bits] = (
                decimal.Decimal(1 << bits) if bits <= 1000 else context.multiply(power(half), power(bits - half))
            )
        return powers[bits]

    def convert(part: int, bits: int) -> decimal.Decimal:
        if bits <= 1000:
            return decimal.Decimal(part)
        half = bits >> 1
        high = context.multiply(convert(part >> half, bits - half), power(half))
        return context.add(high, convert(part & ((1 << half) - 1), half))

    return ("-" if value < 0 else "") + str(convert(abs(value), value.bit_length()))


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _restore(obj: dict[str, Any]) -> Any:
    """Called by the C parser for every object, innermost first: no recursion here."""
    if TAG not in obj:
        return obj
    tag = obj[TAG]
    read = _READERS.get(tag) if type(tag) is str else None
    if read is None:
        raise ValueError(f"unknown tag {str(tag)[:60]!r}")
    try:
        return read(obj)
    except Exception as exc:  # noqa: BLE001 the same
        raise ValueError(f"malformed {tag}: {type(exc).__name__}: {str(exc)[:200]}") from None


def _typed(value: Any, kind: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _unbase64(text: Any) -> bytes:
    data = binascii.a2b_base64(_typed(text, str))
    if len(text) != (len(data) + 2) // 3 * 4:  # a2b skips what is not base64
        raise ValueError("not base64")
    return data


def _unflooded(keys: list[Any]) -> list[Any]:
    """Refuses keys that were chosen to collide: they would make a table of n entries cost n squared."""
    if len(keys) > 1000:
        hashes = sorted(map(hash, keys))
        if any(a == b for a, b in zip(hashes, hashes[100:], strict=False)):
            raise ValueError("too many keys share a hash")
    return keys


def _read_dict(obj: dict[str, Any]) -> dict[Any, Any]:
    pairs = _typed(obj["v"], list)
    if not all(type(pair) is list and len(pair) == 2 for pair in pairs):
        raise ValueError("not a list of pairs")
    _unflooded([key for key, _ in pairs])
    return dict(pairs)


def _read_float(obj: dict[str, Any]) -> float:
    if obj["v"] not in ("nan", "inf", "-inf"):
        raise ValueError("not nan, inf or -inf")
    return float(obj["v"])


def _read_record(obj: dict[str, Any]) -> Record:
    record = Record(_typed(obj["v"], dict))
    dict.__setattr__(record, "_type_name", _typed(obj["type"], str))
    return record


def _read_namedtuple(obj: dict[str, Any]) -> TupleRecord:
    fields, items = tuple(_typed(obj["fields"], list)), _typed(obj["v"], list)
    if len(fields) != len(items) or not all(type(field) is str for field in fields):
        raise ValueError("fields and members differ")
    record = TupleRecord(items)
    record._fields, record._type_name = fields, _typed(obj["type"], str)
    return record


def _read_decimal(obj: dict[str, Any]) -> Any:
    from decimal import Decimal

    if len(_typed(obj["v"], str)) > MAX_INT_DIGITS:
        raise ValueError("too many digits")
    return Decimal(obj["v"])  # an exponent is only stored, whatever its size


def _read_uuid(obj: dict[str, Any]) -> Any:
    from uuid import UUID

    return UUID(_typed(obj["v"], str))


def _iso(obj: dict[str, Any]) -> str:
    text = str(_typed(obj["v"], str))
    return text[:-1] + "+00:00" if text.endswith("Z") else text  # Python 3.10 does not read Z


def _read_datetime(obj: dict[str, Any]) -> Any:
    from datetime import datetime

    value = datetime.fromisoformat(_iso(obj))
    if "zone" in obj:
        with suppress(Exception):  # this side may not know the zone: the offset in the text still holds
            from zoneinfo import ZoneInfo

            value = value.replace(tzinfo=ZoneInfo(_typed(obj["zone"], str)))
    return value.replace(fold=1) if obj.get("fold") == 1 else value


def _read_date(obj: dict[str, Any]) -> Any:
    from datetime import date

    return date.fromisoformat(_typed(obj["v"], str))


def _read_time(obj: dict[str, Any]) -> Any:
    from datetime import time

    return time.fromisoformat(_iso(obj)).replace(fold=int(obj.get("fold") == 1))


def _read_timedelta(obj: dict[str, Any]) -> Any:
    from datetime import timedelta

    days, seconds, microseconds = (_typed(part, int) for part in _typed(obj["v"], list))
    return timedelta(days, seconds, microseconds)


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bytearray": lambda o: bytearray(_unbase64(o["v"])),
    "bytes": lambda o: _unbase64(o["v"]),
    "complex": lambda o: complex(_typed(o["re"], float), _typed(o["im"], float)),
    "dataclass": _read_record,
    "date": _read_date,
    "datetime": _read_datetime,
    "decimal": _read_decimal,
    "dict": _read_dict,
    "float": _read_float,
    "frozenset": lambda o: frozenset(_unflooded(_typed(o["v"], list))),
    "namedtuple": _read_namedtuple,
    "range": lambda o: range(_typed(o["start"], int), _typed(o["stop"], int), _typed(o["step"], int)),
    "repr": lambda o: OpaqueValue(_typed(o["v"], str), _typed(o["type"], str)),
    "set": lambda o: set(_unflooded(_typed(o["v"], list))),
    "str": lambda o: _unbase64(o["v"]).decode("utf-8", "surrogatepass"),
    "time": _read_time,
    "timedelta": _read_timedelta,
    "tuple": lambda o: tuple(_typed(o["v"], list)),
    "uuid": _read_uuid,
    **{tag: lambda o: frames().READERS[o[TAG]](o) for tag in ("ndarray", "series", "dataframe")},
}

_UNTAGGED = json.JSONDecoder(parse_constant=_refuse_constant)
_UNTAGGED_BIG = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int)
_TAGGED = json.JSONDecoder(parse_constant=_refuse_constant, object_hook=_restore)
_TAGGED_BIG = json.JSONDecoder(parse_constant=_refuse_constant, object_hook=_restore, parse_int=_parse_int)
