"""The codec: what goes in comes out, with its type; what cannot is named; what is hostile is a ValueError."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import random
import sys
import types
import uuid
import zoneinfo

import pytest
from guest.harness import values

Point = collections.namedtuple("Point", "x y")
UTC = datetime.timezone.utc


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Row:
    name: str
    inner: object = None


class Model:
    def model_dump(self, mode):
        return {"mode": mode, "at": datetime.date(2026, 1, 2)}


def trip(value):
    data, warnings = values.encode(value)
    assert warnings == []
    return values.decode(data)


def same(a, b):
    """Equal, of one type all the way down, -0.0 and nan included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    return a == b


EXACT = [
    None,
    True,
    0,
    -1,
    2**53 + 1,
    -(2**64),
    10**639,
    10**640,
    10**4300,
    -(10**20_000) + 7,
    10**999_999,
    0.1,
    -0.0,
    1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "hé\u2028\x00\x7f\U0001f600",
    "\ud800",
    "\ud83d\ude00",
    "a\udcff",
    b"",
    b"\x00\xff",
    bytearray(b"ab"),
    [],
    {},
    (),
    ((),),
    [[], {}, [{}]],
    {"a": {"b": [1, 2.5, None, "x"]}},
    {1: "a", (1, 2): "b", None: "c", "d": "e", True and 2.5: "f"},
    {"$codemode": "x", "v": 1},
    {"\ud800": 1},
    [{"$codemode": {"$codemode": 1}}],
    set(),
    {1, "a", (2, 3), b"x"},
    frozenset({frozenset({1}), 2}),
    datetime.date(1, 1, 1),
    datetime.time(1, 2, 3, 4),
    datetime.time(1, 2, tzinfo=UTC),
    datetime.time(1, 2, fold=1),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    datetime.datetime(2026, 1, 2, tzinfo=UTC),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-5, seconds=7))),
    datetime.timedelta(-999999999, 1, 2),
    decimal.Decimal("1.10"),
    decimal.Decimal("1E+999999"),
    decimal.Decimal("-0"),
    decimal.Decimal("Infinity"),
    uuid.UUID(int=5),
    complex(1, -0.0),
    complex(math.inf, 2.5),
    range(2, 10, 3),
    {"deep": [({"k": {1: [decimal.Decimal(1), {datetime.date(2026, 1, 1): b"x"}]}},)]},
]


@pytest.mark.parametrize("value", EXACT, ids=lambda value: f"{type(value).__name__}")
def test_exact(value):
    assert same(trip(value), value)
    assert same(trip([value, {"k": value}]), [value, {"k": value}])


def test_nan_decimal_and_zones():
    assert trip(decimal.Decimal("sNaN12")).is_snan()
    berlin = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    assert trip(berlin) == berlin
    try:
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zone database here")
    late = datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zone)
    assert (trip(late).tzinfo.key, trip(late).fold, trip(late).utcoffset()) == ("Europe/Berlin", 1, late.utcoffset())


def test_plain_json_stays_plain():
    assert values.encode({"a": [1, 2.5, None, True, "é"]})[0] == '{"a":[1,2.5,null,true,"é"]}'.encode()
    assert values.encode(10**700)[0] == b"1" + b"0" * 700  # verbatim, past the interpreter's limit as well


def test_subclasses_become_their_base():
    class Text(str):
        def __str__(self):
            return "lies"

    class Whole(int):
        __repr__ = __index__ = lambda self: 1 / 0

    class Numbers(list):
        def __iter__(self):
            raise TypeError

    value = [Text("t"), Whole(7), Numbers([1]), collections.OrderedDict(a=1), collections.Counter("aa"), Level.HIGH]
    assert same(trip(value), ["t", 7, [1], {"a": 1}, {"a": 2}, 3])
    assert same(trip({Text("k"): 1}), {"k": 1})


def test_records_read_both_ways():
    row = trip(Row("a", Row("b", {1})))
    assert row == {"name": "a", "inner": {"name": "b", "inner": {1}}}
    assert row.inner.name == row["inner"]["name"] == "b"
    with pytest.raises(AttributeError, match="Row has no field 'nothing'"):
        _ = row.nothing
    point = trip(Point(1, [2]))
    assert (point, point.x, point.y) == ((1, [2]), 1, [2])
    assert trip(trip(Point(1, 2))).y == 2
    assert trip(trip(Row("a"))).name == "a"
    assert trip(Model()) == {"mode": "python", "at": datetime.date(2026, 1, 2)}


def test_other_kinds():
    value = [Color.RED, pathlib.Path("/a/b"), memoryview(b"ab"), collections.deque([1]), {"a": 1}.keys()]
    assert trip(value) == ["red", "/a/b", b"ab", [1], ["a"]]
    assert trip(types.MappingProxyType({"a": 1})) == {"a": 1}


def test_odd_members_become_opaque():
    class Odd:
        def __repr__(self):
            return "<odd \ud800" + "x" * 10_000

    class Broken:
        def __repr__(self):
            raise RuntimeError

    data, warnings = values.encode({"rows": [1, Odd()], "b": Broken(), "k": {(1, (Odd,)): 2}, "s": {Color.RED, len}})
    back = values.decode(data)
    opaque = back["rows"][1]
    assert back["rows"][0] == 1
    assert isinstance(opaque, values.OpaqueValue)
    assert opaque.startswith("<odd \\ud800xxx")
    assert len(opaque) <= 4200
    assert opaque.type_name.endswith("Odd")
    assert "raised RuntimeError" in back["b"]
    assert [text.split(" (")[0] for text in warnings[:2]] == ["result['rows'][1]", "result['b']"]
    assert len(warnings) == 4
    assert values.decode(values.encode(opaque)[0]) == opaque
    assert values.encode(opaque)[1] == []


def test_hostile_classes():
    class Meta(type):
        def __getattribute__(cls, name):
            raise RuntimeError(name)

    class Hostile(metaclass=Meta):
        def __getattribute__(self, name):
            raise RuntimeError(name)

    class Unnamed:
        __module__ = 5

    data, warnings = values.encode([Hostile(), Unnamed(), {"a": 1}])
    assert values.decode(data)[2] == {"a": 1}
    assert len(warnings) == 2


def test_what_cannot_be_hashed_over_there():
    @dataclasses.dataclass(frozen=True)
    class Key:
        a: int

    data, warnings = values.encode({"d": {Key(1): 1}, "s": {Key(2)}})
    assert len(warnings) == 2
    assert all(isinstance(key, values.OpaqueValue) for key in [*values.decode(data)["d"], *values.decode(data)["s"]])


def test_cycles_and_depth():
    ring = [1]
    ring += [ring, ring]
    data, warnings = values.encode({"r": ring})
    assert values.decode(data)["r"][0] == 1
    assert len(warnings) == 2
    assert "contains itself" in warnings[0]
    for wrap in (lambda x: [x], lambda x: (x,), lambda x: {1: x}, lambda x: {"a": x}, lambda x: Row("r", x)):
        deep = 0
        for _ in range(20_000):
            deep = wrap(deep)
        data, warnings = values.encode(deep)
        assert len(warnings) == 1
        assert "nested too deeply" in warnings[0]
        values.decode(data)
    shared = [1]
    assert trip([shared, shared, (shared,)]) == [[1], [1], ([1],)]


def test_deepest_value_crosses():
    for wrap in (lambda x: [x], lambda x: {1: x}, lambda x: (x,)):
        deep = 0
        for _ in range(values.MAX_DEPTH):
            deep = wrap(deep)
        assert trip(deep) == deep


def test_encode_near_the_stack_limit():
    """However little stack is left: an answer, or the RecursionError of entering encode itself."""
    value, seen = {"a": [(1, [(2,)])], "b": [[1]]}, set()

    def dig():
        with contextlib.suppress(RecursionError):
            dig()
        for _ in range(2):
            try:
                seen.add(values.encode(value)[0])
            except RecursionError as exc:
                assert (
                    exc.__traceback__.tb_next is None or "encode" in exc.__traceback__.tb_next.tb_frame.f_code.co_name
                )

    dig()
    assert values.encode(value)[0] in seen
    for text in seen:
        values.decode(text)


def test_many_warnings_are_counted():
    _, warnings = values.encode([object() for _ in range(200)])
    assert len(warnings) == 51
    assert warnings[-1] == "150 more members crossed as their repr only"


@pytest.mark.parametrize(
    "value",
    ["x" * 2000, ["x" * 20] * 100, list(range(1000)), {str(n): n for n in range(500)}, b"x" * 2000, [(1,)] * 500,
     [["y" * 1000] * 1000] * 1_000_000, (["y" * 1000] * 1_000_000,), {1: [1] * 2000}, 10**2000, "é" * 600],
    ids=range(11),
)  # fmt: skip
def test_too_large(value):
    with pytest.raises(values.ValueTooLarge) as caught:
        values.encode(value, max_bytes=1000)
    assert caught.value.limit == 1000
    assert caught.value.size > 1000


def test_limit_is_exact():
    data, _ = values.encode(["é", (1,)])
    assert values.encode(["é", (1,)], max_bytes=len(data))[0] == data
    with pytest.raises(values.ValueTooLarge):
        values.encode(["é", (1,)], max_bytes=len(data) - 1)


def random_value(rng, depth=0):
    makers = [
        lambda: rng.choice(EXACT[:26]),
        lambda: rng.randint(-(10**30), 10**30),
        lambda: rng.random() * 10 ** rng.randint(-300, 300),
        lambda: "".join(chr(rng.choice([rng.randint(0, 255), rng.randint(0xD7F0, 0xE010)])) for _ in range(5)),
        lambda: rng.randbytes(7),
        lambda: decimal.Decimal(rng.randint(-(10**20), 10**20)).scaleb(rng.randint(-50, 50)),
        lambda: datetime.datetime(2000, 1, 1) + datetime.timedelta(seconds=rng.random() * 1e9),
    ]
    if depth < 5:
        many = lambda: [random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))]  # noqa: E731
        makers += [
            many,
            lambda: tuple(many()),
            lambda: {f"k{n}": item for n, item in enumerate(many())},
            lambda: {(n, "\ud800"): item for n, item in enumerate(many())},
            lambda: set(rng.sample(range(100), 3)),
        ]
    return rng.choice(makers)()


@pytest.mark.parametrize("seed", range(300))
def test_random_values(seed):
    value = random_value(random.Random(seed))
    assert same(trip(value), value)


BAD = [
    b"",
    b"{",
    b"\xff",
    b"nul",
    b"NaN",
    b"[Infinity]",
    b"1 2",
    b"[" * 100_000,
    b"[" * 400 + b"]" * 400,
    b'{"a":' * 400 + b"1" + b"}" * 400,
    b'"' + b'\\"' * 100_000,
    b'"[' * 100_001,
    b"1" * 1_000_001,
    b"[-" + b"9" * 5_000_000 + b"]",
    '"\ufeff'.encode(),
    '\ufeff"x"'.encode(),
    {"$codemode": "nope", "v": 1},
    {"$codemode": 3},
    {"$codemode": None},
    {"$codemode": ["a"], "v": 1},
    b'{"\\u0024codemode":"nope"}',
    *({"$codemode": tag, **rest} for tag in values.decode.__globals__["_READERS"] for rest in (
        {}, {"v": None}, {"v": {"a": []}}, {"v": [[]]}, {"v": [1]}, {"v": "\u00e9"}, {"v": [[[], 1]]}, {"v": "!!!!"},
        {"type": 1, "v": {}}, {"fields": [1], "type": "", "v": [1]}, {"start": 1, "stop": 2, "step": 0},
        {"dtype": "O", "shape": [1], "v": "AAAA"}, {"dtype": "<f8", "shape": [-1], "v": ""},
        {"dtype": "<f8", "shape": [1, 10**30], "v": "AAAAAAAAAAA="}, {"dtype": "<f8", "shape": [1] * 40, "v": ""},
    )),
    {"$codemode": "decimal", "v": "1" * 1_000_001},
    {"$codemode": "decimal", "v": "1e99999999999999999999999"},
    {"$codemode": "timedelta", "v": [10**30, 0, 0]},
    {"$codemode": "date", "v": "2026-13-01"},
    {"$codemode": "uuid", "v": "../../x"},
    {"$codemode": "bytes", "v": "a"},
    {"$codemode": "str", "v": "/w=="},
    {"$codemode": "set", "v": [n * (2**61 - 1) for n in range(5000)]},
    {"$codemode": "dict", "v": [[n * (2**61 - 1), 0] for n in range(5000)]},
    {"$codemode": "complex", "re": 1, "im": 2},
    {"$codemode": "complex", "re": 10**400, "im": 2.0},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_hostile_input(bad):
    text = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    try:
        got = values.decode(text)
    except ValueError:
        return
    tag = bad["$codemode"]  # a few of the combinations are well-formed values of their tag
    allowed = {
        "set": set, "frozenset": frozenset, "tuple": tuple, "dict": dict, "namedtuple": tuple, "dataclass": dict,
        "bytes": bytes, "bytearray": bytearray, "str": str,
    }  # fmt: skip
    assert isinstance(got, allowed[tag])


def test_hostile_depth_with_a_raised_recursion_limit():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(ValueError, match="deep"):
            values.decode(b"[" * 8_000_000)
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_in_strings_are_not_depth():
    value = ["[" * 1000, '\\"[{' * 500, {"]": "{" * 600}]
    assert trip(value) == value


def test_no_interpreter_limit_is_changed():
    if not hasattr(sys, "get_int_max_str_digits"):
        pytest.skip("this interpreter has no limit")
    before = sys.get_int_max_str_digits()
    for limit in (640, 0, 4300):
        sys.set_int_max_str_digits(limit)
        try:
            assert trip([10**5000, {"a": (10**5000,)}]) == [10**5000, {"a": (10**5000,)}]
            assert sys.get_int_max_str_digits() == limit
        finally:
            sys.set_int_max_str_digits(before)
