"""numpy and pandas on the wire; `_values` imports this file when a value or a tag asks for it, in both packages.

Writers meet objects of libraries that are loaded. Readers build the same where the library is installed, else lists:
an array becomes nested lists, a series a list, a table a list of rows.
"""

from __future__ import annotations

import binascii
import re
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_DIMENSIONS = 32
# Fixed-size numbers only: no structured or object dtype is ever built from text.
_DTYPE = re.compile(r"[<>|](?:b1|[iu][1248]|f[248]|c8|c16|[mM]8(?:\[\d{0,4}[a-zA-Z]{1,2}\])?)")
_PANDAS_DTYPE = re.compile(
    r"category|str|string|boolean|U?Int\d{1,2}|Float\d{2}|datetime64\[\w{1,2}(?:, [\w/+:-]{1,40})?\]"
)
_FORMATS = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "f2": "e", "f4": "f", "f8": "d"}
_FORMATS |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "m8": "q", "M8": "q", "c8": "ff", "c16": "dd"}


# ---- writing; `w` is `_values._Writer`


def _hashable(w: Any) -> None:
    if w.frozen:
        raise w.NotCarried("it cannot be hashed on the other side")


def _write_scalar(w: Any, value: Any, path: Any, depth: int) -> None:
    if value.dtype.kind in "mM":
        value = value.astype(f"{value.dtype.kind}8[us]")  # finer units have no Python counterpart
    item = value.item()
    if type(item) is type(value):
        raise w.NotCarried("it has no Python counterpart")
    w.value(item, path, depth)


def _write_ndarray(w: Any, value: Any, path: Any, depth: int) -> None:
    _hashable(w)
    dtype, shape = value.dtype, list(value.shape)
    if _DTYPE.fullmatch(dtype.str):
        data = value.tobytes()
        w.tagged(
            "ndarray", path, depth, dtype=dtype.str, shape=shape, v=data if w.behind is not None else w.base64(data)
        )
    elif dtype.kind in "OSU":
        w.tagged("ndarray", path, depth, dtype="|O", shape=shape, v=value.ravel().tolist())
    else:
        raise w.NotCarried(f"dtype {dtype} has no wire form")


def _column(series: Any) -> Any:
    plain = isinstance(getattr(series.dtype, "str", None), str) and _DTYPE.fullmatch(series.dtype.str)
    return series.to_numpy() if plain else series.tolist()


def _index(value: Any) -> Any:
    index = value.index
    if type(index).__name__ == "RangeIndex" and (index.start, index.step, index.name) == (0, 1, None):
        return None
    return {"labels": list(index), "names": list(index.names)}


def _write_series(w: Any, value: Any, path: Any, depth: int) -> None:
    _hashable(w)
    dtype = str(value.dtype)
    w.tagged("series", path, depth, name=value.name, dtype=dtype, index=_index(value), v=_column(value))


def _write_dataframe(w: Any, value: Any, path: Any, depth: int) -> None:
    _hashable(w)
    series = [value.iloc[:, at] for at in range(value.shape[1])]
    dtypes, columns = [str(column.dtype) for column in series], [_column(column) for column in series]
    w.tagged("dataframe", path, depth, columns=list(value.columns), dtypes=dtypes, index=_index(value), v=columns)


WRITERS: dict[tuple[str, str], Callable[[Any, Any, Any, int], None]] = {
    ("numpy", "ndarray"): _write_ndarray,
    ("numpy", "generic"): _write_scalar,
    ("pandas", "DataFrame"): _write_dataframe,
    ("pandas", "Series"): _write_series,
    ("pandas", "Index"): lambda w, v, p, d: w.value(v.tolist(), p, d),
    ("pandas", "NAType"): lambda w, v, p, d: w.put("null"),
}


# ---- reading: any exception becomes a ValueError in `_values`


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return sys.modules.get(name) or import_module(name)
    except Exception:  # noqa: BLE001 not installed, or broken: lists will do
        return None


def _shape(obj: dict[str, Any]) -> tuple[int, ...]:
    shape = obj["shape"]
    if type(shape) is not list or len(shape) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("bad shape")
    return tuple(shape)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _read_ndarray(obj: dict[str, Any]) -> Any:
    dtype, shape, numpy = obj["dtype"], _shape(obj), _library("numpy")
    if dtype == "|O":
        return _read_objects(obj["v"], shape, numpy)
    if not _DTYPE.fullmatch(dtype):
        raise ValueError("bad dtype")
    data = obj["v"] if type(obj["v"]) is bytes else binascii.a2b_base64(obj["v"])
    code = dtype[1:].partition("[")[0]
    if len(data) != _count(shape) * int(code[1:]):
        raise ValueError("shape and data differ")
    if numpy is not None:
        return numpy.ndarray(shape, dtype, data).copy()
    return _nested(_unpacked(data, dtype[0], code), shape)


def _unpacked(data: bytes, order: str, code: str) -> list[Any]:
    pairs = code[0] == "c"
    form = _FORMATS[code][0]
    count = len(data) // struct.calcsize("<" + form)
    flat = struct.unpack(f"{'>' if order == '>' else '<'}{count}{form}", data)
    return [complex(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)] if pairs else list(flat)


def _read_objects(flat: Any, shape: tuple[int, ...], numpy: Any) -> Any:
    if type(flat) is not list or len(flat) != _count(shape):
        raise ValueError("shape and data differ")
    if numpy is None:
        return _nested(flat, shape)
    array = numpy.empty(len(flat), dtype=object)
    for at, item in enumerate(flat):
        array[at] = item  # one by one: numpy would look into members that are sequences
    if flat and all(type(item) is str for item in flat):
        array = array.astype(str)
    return array.reshape(shape)


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if 0 in shape:
        return []
    for size in reversed(shape[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat if shape else flat[0]


def _listed(column: Any) -> list[Any]:
    column = column.tolist() if hasattr(column, "tolist") else column
    if type(column) is not list:
        raise ValueError("a column is not a list")
    return column


def _labels(pandas: Any, index: Any) -> Any:
    if index is None:
        return None
    labels, names = index["labels"], index["names"]
    if labels and all(type(label) is tuple for label in labels):
        return pandas.MultiIndex.from_tuples(labels, names=names)
    return pandas.Index(labels, name=names[0])


def _series(pandas: Any, column: Any, dtype: Any, index: Any, name: Any = None) -> Any:
    objects = type(column) is list and dtype == "object"
    series = pandas.Series(column, index=index, name=name, dtype=object if objects else None)
    if dtype == "str" and pandas.__version__ < "3":
        dtype = None  # there it makes text of missing values
    if type(column) is list and type(dtype) is str and _PANDAS_DTYPE.fullmatch(dtype):
        try:
            return series.astype(dtype)
        except Exception:  # noqa: BLE001 the values matter more than the dtype's name
            return series
    return series


def _read_series(obj: dict[str, Any]) -> Any:
    column, dtype, index, name, pandas = obj["v"], obj["dtype"], obj["index"], obj["name"], _library("pandas")
    if pandas is None:
        return _listed(column)
    return _series(pandas, column, dtype, _labels(pandas, index), name)


def _read_dataframe(obj: dict[str, Any]) -> Any:
    names, dtypes, columns, index = obj["columns"], obj["dtypes"], obj["v"], obj["index"]
    pandas = _library("pandas")
    if not type(names) is type(dtypes) is type(columns) is list or not len(names) == len(dtypes) == len(columns):
        raise ValueError("columns differ")
    if pandas is None:
        return [dict(zip(names, row, strict=True)) for row in zip(*map(_listed, columns), strict=True)]
    labels = _labels(pandas, index)
    series = {at: _series(pandas, column, dtypes[at], labels) for at, column in enumerate(columns)}
    frame = pandas.DataFrame(series, index=labels)
    multi = bool(names) and all(type(name) is tuple for name in names)
    frame.columns = pandas.MultiIndex.from_tuples(names) if multi else pandas.Index(names)
    return frame


READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "ndarray": _read_ndarray,
    "series": _read_series,
    "dataframe": _read_dataframe,
}
