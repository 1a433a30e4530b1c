"""Long bytes behind the text of a value: exact, never copied into the text, and no more of them than came."""

import pytest
from guest.harness import values

LONG = bytes(range(256)) * 40


def parts(value, **options):
    encoded, warnings = values.encode_parts(value, **options)
    assert not warnings
    return encoded


@pytest.mark.parametrize(
    "value",
    [LONG, [LONG, LONG], {"a": [LONG, b"short", LONG[:5000]]}, {LONG: {LONG, b"x"}}, (LONG, 10**700, float("inf"))],
    ids=range(5),
)
def test_exact(value):
    encoded = parts(value)
    assert encoded[1] == b"\0"
    assert values.decode(b"".join(encoded)) == value
    assert all(part is LONG or len(part) < len(LONG) for part in encoded)


def test_kinds_stay_what_they_are():
    got = values.decode(b"".join(parts([bytearray(LONG), memoryview(LONG)[1:]])))
    assert got == [bytearray(LONG), LONG[1:]]
    assert [type(item) for item in got] == [bytearray, bytes]


def test_what_may_change_is_copied():
    value = bytearray(LONG)
    encoded = parts(value)
    value[0] = 77
    assert values.decode(b"".join(encoded)) == LONG


@pytest.mark.parametrize("value", [1, "a\0b", [1, b"short"], {"a": "x" * 10_000}, b""])
def test_everything_else_is_one_text(value):
    assert parts(value) == [values.encode(value)[0]]


def test_only_where_the_receiver_takes_them():
    assert b"\0" not in values.encode(LONG)[0]


def test_arrays():
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(10_000, dtype="<f8").reshape(100, 100)
    encoded = parts({"a": array, "b": array[:2, :2]})
    assert [len(part) for part in encoded[2:]] == [80_000]
    got = values.decode(b"".join(encoded))
    assert (got["a"] == array).all()
    assert (got["b"] == array[:2, :2]).all()


def test_members_that_are_taken_back_leave_nothing():
    class Odd:
        __dataclass_fields__ = property(lambda self: 1 / 0)

    encoded, warnings = values.encode_parts([LONG, Odd(), (LONG, {1: LONG})])
    assert len(encoded) == 5
    assert len(warnings) == 1
    assert values.decode(b"".join(encoded))[2] == (LONG, {1: LONG})


def test_the_limit_counts_them():
    whole = b"".join(parts([LONG, 1]))
    assert b"".join(parts([LONG, 1], max_bytes=len(whole))) == whole
    with pytest.raises(values.ValueTooLarge):
        values.encode_parts([LONG, 1], max_bytes=len(whole) - 1)


TWO = b'{"$codemode":"bytes","n":2}'


@pytest.mark.parametrize(
    "bad",
    [
        *(b"1\0", b"1\0x", TWO, TWO + b"\0", TWO + b"\0x", TWO + b"\0xyz", b"[%b,%b]\0xy" % (TWO, TWO)),
        *(b'{"$codemode":"bytes","n":%b}\0xy' % count for count in (b"-1", b"true", b"2.0", b'"2"', b"9" * 30)),
        *(b'{"$codemode":"str","n":2}\0xy', b'{"$codemode":["bytes"],"n":2}\0xy', b"\0xy", b"\xff\0xy"),
    ],
)
def test_no_more_and_no_fewer_than_came(bad):
    with pytest.raises(ValueError):
        values.decode(bad)


def test_they_are_shared_out_once():
    """However many tags there are, all that they stand for is no longer than what came."""
    text = b"[" + b",".join([TWO] * 3) + b"]"
    assert values.decode(text + b"\0aabbcc") == [b"aa", b"bb", b"cc"]
    assert values.decode(b'[{"$codemode":"bytes","n":0},%b]\0aa' % TWO) == [b"", b"aa"]
