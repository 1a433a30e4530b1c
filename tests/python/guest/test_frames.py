"""Arrays and tables, with and without the libraries on the reading side."""

from __future__ import annotations

import json
import sys

import pytest
from guest.harness import values


@pytest.fixture
def without_libraries(monkeypatch):
    for name in ("numpy", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)


def decode(**tag):
    tag["$codemode"] = tag.pop("tag")
    return values.decode(json.dumps(tag))


@pytest.mark.usefixtures("without_libraries")
def test_lists_where_numpy_is_missing():
    assert decode(tag="ndarray", dtype="<i2", shape=[2, 2], v="AQACAAMABAA=") == [[1, 2], [3, 4]]
    assert decode(tag="ndarray", dtype=">i2", shape=[4], v="AAEAAgADAAQ=") == [1, 2, 3, 4]
    assert decode(tag="ndarray", dtype="|b1", shape=[], v="AQ==") is True
    assert decode(tag="ndarray", dtype="<c8", shape=[1], v="AACAPwAAAEA=") == [1 + 2j]
    assert decode(tag="ndarray", dtype="|O", shape=[2], v=["a", None]) == ["a", None]
    assert decode(tag="ndarray", dtype="<f8", shape=[0, 3], v="") == []


@pytest.mark.usefixtures("without_libraries")
def test_rows_where_pandas_is_missing():
    assert decode(tag="series", name="s", dtype="object", index=None, v=[1, "x"]) == [1, "x"]
    table = decode(tag="dataframe", columns=["a", "b"], dtypes=["object"] * 2, index=None, v=[[1, 2], ["x", "y"]])
    assert table == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def trip(value):
    data, warnings = values.encode(value)
    assert warnings == []
    return values.decode(data)


def test_arrays():
    np = pytest.importorskip("numpy")
    for dtype in (
        "bool",
        "int8",
        "<u2",
        ">i4",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "M8[ns]",
        "m8[D]",
    ):
        for shape in ((), (0,), (3,), (2, 3), (2, 0, 4)):
            array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
            back = trip(array)
            assert back.dtype == array.dtype
            assert back.shape == shape
            assert np.array_equal(back, array)
            assert back.flags.writeable
    assert trip(np.array([[1, 2], [3, 4]]).T).tolist() == [[1, 3], [2, 4]]
    assert trip(np.array(["a", "bc"])).tolist() == ["a", "bc"]
    assert trip(np.array([{1}, None, [2]], dtype=object)).tolist() == [{1}, None, [2]]
    _, warnings = values.encode([np.zeros(2, dtype="i4,f8"), np.longdouble(1)])
    assert len(warnings) == 2


def test_numpy_scalars():
    np = pytest.importorskip("numpy")
    assert trip([np.int64(5), np.float32(0.5), np.bool_(True), np.str_("x"), np.bytes_(b"y"), np.complex128(1j)]) == [
        5, 0.5, True, "x", b"y", 1j,
    ]  # fmt: skip
    assert trip(np.datetime64("2026-01-02T03:04:05.123456789")).microsecond == 123456
    assert trip({np.int64(1): np.nan})[1] != 0


def test_tables():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [0.5, None],
            "s": ["a", None],
            "t": pd.to_datetime(["2026-01-02", None]),
            "z": pd.to_datetime(["2026-01-02", "2026-02-03"]).tz_localize("UTC"),
            "c": pd.Categorical(["x", "y"]),
            "n": pd.array([1, None], dtype="Int64"),
            "o": [{"k": 1}, [2]],
        }
    )
    pd.testing.assert_frame_equal(trip(frame), frame)
    for other in (
        frame.set_index("s"),
        frame.drop(columns="c").iloc[1:],  # of a category only the values that occur cross
        frame[["i", "f"]].T,
        pd.DataFrame(),
        frame.set_index(["i", "z"])[["f"]],
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
    ):
        back = trip(other)
        pd.testing.assert_frame_equal(back, other, check_index_type=False, check_column_type=False, check_freq=False)
    series = pd.Series([1.5, 2.5], index=["a", "b"], name="x")
    pd.testing.assert_series_equal(trip(series), series)
    assert trip([pd.Timestamp("2026-01-02"), pd.NaT, pd.NA, pd.Timedelta("1D")])[1:3] == [None, None]
