"""Values on the wire: UTF-8 JSON, with tags for what JSON cannot say.

Both ends run this file and the two it leans on (`_values_read`, and `_values_frames` for arrays and tables): the client
imports them, the guest carries their text as `_codemode.values`, `_codemode._values_read`, … So they import next to
nothing. Plain JSON stays plain; everything else is an object `{"$codemode": TAG, ...}`, its content mostly
under `"v"`. Integers are written verbatim up to `MAX_INT_DIGITS`. Values nest `MAX_DEPTH` deep; what is deeper, refers
to itself or has no tag crosses as its repr with a warning, and the rest of the value stays typed.

Bytes are base64 in the text. Where the receiver takes them so, long ones stand behind it as they are: the text, a NUL
(which JSON never holds), and the bytes that tags announce by their number under `"n"`, in the order of the text.
"""

from __future__ import annotations

import binascii
import json
import sys

from ._values_read import (
    MAX_DEPTH,
    MAX_INT_DIGITS,
    TAG,
    OpaqueValue,
    Record,
    TupleRecord,
    ValueTooLarge,
    clean,
    decode,
    frames,
    int_text,
    is_text,
)

TYPE_CHECKING = False  # the name mypy knows; `typing` itself costs milliseconds in the zygote
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["MAX_DEPTH", "OpaqueValue", "Record", "TupleRecord", "ValueTooLarge", "decode", "encode", "encode_parts"]

MAX_REPR = 4096
MAX_WARNINGS = 50
BEHIND_BYTES = 4096  # shorter bytes are not worth a way of their own

_SAFE_BITS = 2100  # below 640 digits: the smallest limit that sys.set_int_max_str_digits accepts
_MAX_INT_BITS = 3_321_928  # the most bits that always fit MAX_INT_DIGITS digits
_SCALARS = frozenset({int, float, str, bool, type(None)})
_PLAIN = _SCALARS | {list, dict}
_STRING = frozenset({str})


def encode(
    value: Any, *, max_bytes: int | None = None, root: str = "result", reprs: bool = True
) -> tuple[bytes, list[str]]:
    """The value as bytes, and one warning per member that could not be carried; `root` begins their paths.
    `reprs` False says of such a member no more than its type: a repr of the host may hold addresses or secrets."""
    if (data := _fast(value, max_bytes)) is not None:
        return data, []
    (data, *_), warnings = _written(value, _Writer(max_bytes, root, reprs))
    return data, warnings


def encode_parts(
    value: Any, *, max_bytes: int | None = None, root: str = "result", reprs: bool = True
) -> tuple[list[bytes], list[str]]:
    """As `encode`, for a receiver that takes bytes behind the text. The parts one after the other are the value."""
    data = _fast(value, max_bytes)
    return _written(value, _Writer(max_bytes, root, reprs, [])) if data is None else ([data], [])


def _written(value: Any, writer: _Writer) -> tuple[list[bytes], list[str]]:
    try:
        writer.value(value, None, 0)
    except RecursionError:  # the caller has used up the stack
        return [_NO_STACK], [f"{writer.root} crossed as its repr only: too little stack was left to look at it"]
    data = "".join(writer.parts).encode()
    behind = [b"\0", *writer.behind] if writer.behind else []
    _check(len(data) + sum(map(len, behind)), writer.limit)
    return [data, *behind], writer.report()


# ---- the fast way: what the C encoder writes exactly


def _fast(value: Any, limit: int | None) -> bytes | None:
    kind = type(value)
    return _plain(value, 1, limit, 0) if kind in _SCALARS or kind is list or kind is dict else None


class _Room:
    """How many bytes are left for a lower bound of the text, so that a huge value is refused before it is copied."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int | None, used: int = 0) -> None:
        self.limit = limit
        self.used = used

    def take(self, container: Any, items: Iterable[Any], has_text: bool) -> None:
        self.used += 2 * len(container)
        if has_text:
            self.used += sum(len(item) for item in items if type(item) is str)
        if type(container) is dict:
            self.used += sum(map(len, container))
        _check(self.used, self.limit)


def _is_plain(value: Any, depth: int, room: _Room) -> bool:
    items = value
    if type(value) is dict:
        if TAG in value or not _STRING.issuperset(map(type, value)):
            return False
        items = value.values()
    kinds = set(map(type, items))
    if not kinds <= _PLAIN:
        return False
    if room.limit is not None:
        room.take(value, items, str in kinds)
    if kinds <= _SCALARS:
        return True
    if depth >= MAX_DEPTH:
        return False
    return all(_is_plain(item, depth + 1, room) for item in items if type(item) in (list, dict))


def _plain(value: Any, depth: int, limit: int | None, used: int) -> bytes | None:
    """The text if the C encoder alone writes it; None if not, or not known: another thread may change the value."""
    if type(value) is str:
        _check(used + len(value), limit)
    try:
        if type(value) not in _SCALARS and not _is_plain(value, depth, _Room(limit, used)):
            return None
        data = _text(value).encode()
    except ValueTooLarge:
        raise
    except (ValueError, RuntimeError):  # NaN, a huge integer, a lone surrogate; too deep, changed meanwhile
        return None
    _check(used + len(data), limit)
    return data


def _check(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise ValueTooLarge(size, limit)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
# As `_ENCODER.encode`, which makes the C encoder anew for each value.
_make = getattr(json.encoder, "c_make_encoder", None)
_write = _make and _make(None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)


def _text(value: Any) -> str:
    return "".join(_write(value, 0)) if _write else _ENCODER.encode(value)


_NO_STACK = f'{{"{TAG}":"repr","type":"object","v":"<not looked at>"}}'.encode()
_quote = json.encoder.encode_basestring


# ---- the general way: member by member


class _NotCarried(Exception):
    """Why this member becomes its repr."""


class _Writer:
    NotCarried = _NotCarried

    def __init__(self, limit: int | None, root: str, reprs: bool, behind: list[bytes] | None = None) -> None:
        self.reprs = reprs
        self.behind = behind  # long bytes, where they may stand behind the text
        self.parts: list[str] = []
        self.size = 0
        self.limit = limit
        self.root = root
        self.warnings: list[str] = []
        self.unlisted = 0
        self.open: set[int] = set()
        self.frozen = 0  # > 0 inside a key or a set: what decodes to something unhashable is not carried there

    def put(self, text: str) -> None:
        self.size += len(text)
        _check(self.size, self.limit)
        self.parts.append(text)

    def value(self, value: Any, path: Any, depth: int) -> None:
        """`path` is a linked list (parent, step): its text is made only for a warning."""
        if value is None or value is True or value is False:
            return self.put("null" if value is None else "true" if value else "false")
        if type(value) is str and value.isascii():
            return self.put(_quote(value))
        if type(value) is int and -0x8000_0000 < value < 0x8000_0000:
            return self.put(repr(value))
        key = id(value)
        if key in self.open or depth > MAX_DEPTH:
            return self.opaque(value, path, "it contains itself" if key in self.open else "it is nested too deeply")
        mark, size, frozen, behind = len(self.parts), self.size, self.frozen, len(self.behind or ())
        self.open.add(key)
        try:
            _writer_for(type(value))(self, value, path, depth)
        except ValueTooLarge:
            raise
        except Exception as exc:  # noqa: BLE001 one odd member never spoils the value
            del self.parts[mark:]
            if self.behind:
                del self.behind[behind:]
            self.size, self.frozen = size, frozen
            self.opaque(value, path, str(exc) if type(exc) is _NotCarried else f"{type(exc).__name__} on the way")
        finally:
            self.open.discard(key)

    def items(self, items: Iterable[Any], path: Any, depth: int) -> None:
        self.put("[")
        for index, item in enumerate(items):
            if index:
                self.put(",")
            self.value(item, (path, index), depth + 1)
        self.put("]")

    def pairs(self, pairs: Iterable[tuple[Any, Any]], path: Any, depth: int) -> None:
        comma = f'{{"{TAG}":"dict","v":['
        for key, item in pairs:
            self.put(comma + "[")
            self.frozen += 1
            self.value(key, (path, "<key>"), depth + 1)
            self.frozen -= 1
            self.put(",")
            self.value(item, (path, key), depth + 1)
            self.put("]")
            comma = ","
        self.put("]}" if comma == "," else comma + "]}")

    def tagged(self, tag: str, path: Any, depth: int, **fields: Any) -> None:
        """A tag whose fields are values themselves."""
        self.put(f'{{"{TAG}":"{tag}"')
        for name, item in fields.items():
            self.put(f',"{name}":')
            self.value(item, path, depth + 1)
        self.put("}")

    def text(self, tag: str, text: str) -> None:
        self.put(f'{{"{TAG}":"{tag}","v":{_quote(text)}}}')

    def binary(self, tag: str, data: memoryview) -> None:
        if self.behind is None or data.nbytes < BEHIND_BYTES:
            self.text(tag, self.base64(data))
            return
        _check(self.size + data.nbytes, self.limit)
        self.put(f'{{"{TAG}":"{tag}","n":{data.nbytes}}}')
        self.size += data.nbytes
        whole = data.obj
        self.behind.append(whole if type(whole) is bytes and len(whole) == data.nbytes else bytes(data))

    def base64(self, data: Any) -> str:
        _check(self.size + len(data) * 4 // 3, self.limit)
        return binascii.b2a_base64(data, newline=False).decode()

    def opaque(self, value: Any, path: Any, why: str) -> None:
        name = _type_name(type(value))
        text = _safe_repr(value) if self.reprs else f"<{name} object>"
        self.put(f'{{"{TAG}":"repr","type":{_quote(name)},"v":{_quote(text)}}}')
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(f"{_path_text(self.root, path)} ({name}) crossed as its repr only: {why}")
        else:
            self.unlisted += 1

    def report(self) -> list[str]:
        more = [f"{self.unlisted} more members crossed as their repr only"] if self.unlisted else []
        return self.warnings + more


def _path_text(root: str, path: Any) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        key = f"[{step}]" if step == "<key>" else f"[{_safe_repr(step, 60)}]"
        steps.append(key)
    return root + "".join(reversed(steps))


def _type_name(kind: type) -> str:
    try:
        module, name = kind.__module__, kind.__qualname__
        return clean(name if module in ("builtins", "__main__") else f"{module}.{name}", 200)
    except Exception:  # noqa: BLE001 a metaclass is anybody's code
        return "object"


def _safe_repr(value: Any, limit: int = MAX_REPR) -> str:
    """Bounded for builtin containers: a small graph that shares its parts can have an astronomic repr."""
    try:
        if type(value) in (list, dict, tuple, set, frozenset):
            import reprlib

            return clean(reprlib.repr(value), limit)
        if type(value) is int and value.bit_length() > _SAFE_BITS:
            return f"<int of {value.bit_length()} bits>"
        return clean(repr(value), limit)
    except Exception as exc:  # noqa: BLE001 repr() is anybody's code
        return f"<{_type_name(type(value))} object, its repr() raised {type(exc).__name__}>"


# ---- writers, by builtin type


def _write_int(w: _Writer, value: int, path: Any, depth: int) -> None:
    bits = value.bit_length()
    if bits > _MAX_INT_BITS:
        raise _NotCarried(f"it has more than {MAX_INT_DIGITS} digits")
    w.put(repr(value) if bits <= _SAFE_BITS else int_text(value))


def _write_float(w: _Writer, value: float, path: Any, depth: int) -> None:
    text = float.__repr__(value)
    w.put(text) if text[-1].isdigit() else w.text("float", text)


def _write_str(w: _Writer, value: str, path: Any, depth: int) -> None:
    try:
        _check(w.size + len(value), w.limit)
        value.encode()
        w.put(_quote(value))
    except UnicodeEncodeError:  # lone surrogates: strict JSON readers would refuse the whole text
        w.text("str", w.base64(value.encode("utf-8", "surrogatepass")))


def _write_bytes(w: _Writer, value: Any, path: Any, depth: int) -> None:
    w.binary("bytearray" if isinstance(value, bytearray) else "bytes", memoryview(value).cast("B"))


def _write_list(w: _Writer, value: Any, path: Any, depth: int) -> None:
    if w.frozen:
        raise _NotCarried("it cannot be hashed on the other side")
    if type(value) is list and depth < 8 and _plain_part(w, value, depth):
        return
    w.items(value, path, depth)


def _write_dict(w: _Writer, value: Any, path: Any, depth: int) -> None:
    if w.frozen:
        raise _NotCarried("it cannot be hashed on the other side")
    if type(value) is dict and depth < 8 and _plain_part(w, value, depth):
        return
    pairs = value.items()
    if TAG in value or not all(type(key) is str and is_text(key) for key in value):
        w.pairs(pairs, path, depth)
        return
    comma = "{"
    for key, item in pairs:
        w.put(f"{comma}{_quote(key)}:")
        w.value(item, (path, key), depth + 1)
        comma = ","
    w.put("}" if comma == "," else "{}")


def _plain_part(w: _Writer, value: Any, depth: int) -> bool:
    """Large plain parts of a value go through the C encoder too. Only near the top: the check costs a walk."""
    data = _plain(value, depth + 1, w.limit, w.size)
    if data is not None:
        w.put(data.decode())
    return data is not None


def _write_tuple(w: _Writer, value: Any, path: Any, depth: int) -> None:
    fields = getattr(type(value), "_fields", None) or getattr(value, "_fields", None)
    if type(value) is tuple or not isinstance(fields, tuple) or len(fields) != len(value):
        w.put(f'{{"{TAG}":"tuple","v":')
    else:
        name = value._type_name if type(value) is TupleRecord else _type_name(type(value))
        w.put(f'{{"{TAG}":"namedtuple","type":{_quote(name)},"fields":{json.dumps(fields)},"v":')
    w.items(tuple.__iter__(value), path, depth)
    w.put("}")


def _write_set(w: _Writer, value: Any, path: Any, depth: int) -> None:
    tag = "frozenset" if isinstance(value, frozenset) else "set"
    if w.frozen and tag == "set":
        raise _NotCarried("it cannot be hashed on the other side")
    w.put(f'{{"{TAG}":"{tag}","v":')
    w.frozen += 1
    w.items(value, path, depth)
    w.frozen -= 1
    w.put("}")


def _write_complex(w: _Writer, value: complex, path: Any, depth: int) -> None:
    w.tagged("complex", path, depth, re=value.real, im=value.imag)


def _write_range(w: _Writer, value: range, path: Any, depth: int) -> None:
    w.tagged("range", path, depth, start=value.start, stop=value.stop, step=value.step)


# ---- writers, by well-known class: recognised by name in the MRO, so that nothing is imported to ask


def _write_datetime(w: _Writer, value: Any, path: Any, depth: int) -> None:
    import datetime

    if value != value:  # pandas.NaT
        w.put("null")
        return
    iso = datetime.datetime.isoformat(value)
    zone = getattr(value.tzinfo, "key", None)
    extra = f',"zone":{_quote(zone)}' if isinstance(zone, str) else ""
    extra += ',"fold":1' if value.fold else ""
    w.put(f'{{"{TAG}":"datetime","v":{_quote(iso)}{extra}}}')


def _write_time(w: _Writer, value: Any, path: Any, depth: int) -> None:
    fold = ',"fold":1' if value.fold else ""
    w.put(f'{{"{TAG}":"time","v":{_quote(value.isoformat())}{fold}}}')


def _write_timedelta(w: _Writer, value: Any, path: Any, depth: int) -> None:
    w.put(f'{{"{TAG}":"timedelta","v":[{value.days},{value.seconds},{value.microseconds}]}}')


def _write_record(w: _Writer, value: Any, path: Any, depth: int, fields: dict[str, Any]) -> None:
    if w.frozen:
        raise _NotCarried("it cannot be hashed on the other side")
    name = value._type_name if type(value) is Record else _type_name(type(value))
    w.put(f'{{"{TAG}":"dataclass","type":{_quote(name)},"v":')
    _write_dict(w, fields, path, depth)
    w.put("}")


_BUILTIN: dict[type, Callable[[_Writer, Any, Any, int], None]] = {
    int: _write_int,
    float: _write_float,
    str: _write_str,
    list: _write_list,
    dict: _write_dict,
    tuple: _write_tuple,
    set: _write_set,
    frozenset: _write_set,
    bytes: _write_bytes,
    bytearray: _write_bytes,
    memoryview: _write_bytes,
    complex: _write_complex,
    range: _write_range,
}
# How a subclass becomes its base before it is written, whatever it overrides.
_BASE: dict[type, Callable[[Any], Any]] = {
    int: int.__index__,
    float: float.__float__,
    str: str.__str__,
    list: lambda v: list(list.__iter__(v)),
    dict: lambda v: dict(dict.items(v)),
}
_VIEWS = ("keys", "values", "items")
_NAMED: dict[tuple[str, str], Callable[[_Writer, Any, Any, int], None]] = {
    ("datetime", "datetime"): _write_datetime,
    ("datetime", "date"): lambda w, v, p, d: w.text("date", v.isoformat()),
    ("datetime", "time"): _write_time,
    ("datetime", "timedelta"): _write_timedelta,
    ("decimal", "Decimal"): lambda w, v, p, d: w.text("decimal", str(v)),
    ("uuid", "UUID"): lambda w, v, p, d: w.text("uuid", str(v)),
    ("pathlib", "PurePath"): lambda w, v, p, d: w.value(str(v), p, d),
    ("collections", "deque"): lambda w, v, p, d: _write_list(w, list(v), p, d),
    ("collections", "UserDict"): lambda w, v, p, d: _write_dict(w, v.data, p, d),
    ("collections", "UserList"): lambda w, v, p, d: _write_list(w, v.data, p, d),
    ("builtins", "mappingproxy"): lambda w, v, p, d: _write_dict(w, dict(v), p, d),
    **{("builtins", f"dict_{view}"): lambda w, v, p, d: _write_list(w, list(v), p, d) for view in _VIEWS},
}


def _writer_for(kind: type) -> Callable[[_Writer, Any, Any, int], None]:
    if kind in _BUILTIN:
        return _BUILTIN[kind]
    if kind is OpaqueValue:
        return lambda w, v, p, d: w.put(f'{{"{TAG}":"repr","type":{_quote(v.type_name)},"v":{_quote(str(v))}}}')
    if kind is Record:
        return lambda w, v, p, d: _write_record(w, v, p, d, dict(v))
    names = [(cls.__module__.partition(".")[0], cls.__name__) for cls in kind.__mro__]
    if ("enum", "Enum") in names:
        return lambda w, v, p, d: w.value(v.value, p, d)
    for cls, name in zip(kind.__mro__, names, strict=True):
        if cls in _BASE:
            base, write = _BASE[cls], _BUILTIN[cls]
            return lambda w, v, p, d: write(w, base(v), p, d)
        if cls in _BUILTIN:
            return _BUILTIN[cls]
        if name in _NAMED:
            return _NAMED[name]
        if name[0] in ("numpy", "pandas") and name in frames().WRITERS:
            return frames().WRITERS[name]  # type: ignore[no-any-return]
    return _writer_by_shape(kind)


def _writer_by_shape(kind: type) -> Callable[[_Writer, Any, Any, int], None]:
    if hasattr(kind, "__dataclass_fields__"):
        fields = sys.modules["dataclasses"].fields
        return lambda w, v, p, d: _write_record(w, v, p, d, {f.name: getattr(v, f.name) for f in fields(v)})
    if hasattr(kind, "__attrs_attrs__"):
        return lambda w, v, p, d: _write_record(w, v, p, d, {a.name: getattr(v, a.name) for a in kind.__attrs_attrs__})
    if hasattr(kind, "model_dump"):
        return _write_model
    if hasattr(kind, "__fspath__"):
        return lambda w, v, p, d: w.value(v.__fspath__(), p, d)
    raise _NotCarried("its type has no wire form")


def _write_model(w: _Writer, value: Any, path: Any, depth: int) -> None:
    """A pydantic model; a root model dumps to something other than a dict."""
    fields = value.model_dump(mode="python")
    _write_record(w, value, path, depth, fields) if type(fields) is dict else w.value(fields, path, depth)
