"""Values keep their types on the way in (tools, context), between (arguments) and out (results)."""

from __future__ import annotations

import datetime
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest

from codemode import Codemode
from e2e.conftest import Local

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    2**63,
    -(2**64) - 1,
    10**300,
    0.1,
    -0.0,
    1e308,
    5e-324,
    math.inf,
    -math.inf,
    "",
    "größer \U0001f600 \x00 \x7f 'quoted' \"twice\" \\",
    b"",
    bytes(range(256)),
    [],
    {},
    (),
    set(),
    frozenset({1}),
    (1, (2, [3])),
    {1, "two", 3.0},
    {"nested": {"list": [1, [2, {"three": (3,)}]]}},
    {1: "int key", None: "none key", (1, 2): "tuple key"},
    {"$type": "looks like a tag", "__codemode__": 1},
    Decimal("1.10"),
    Decimal("-1E+400"),
    datetime.date(2026, 11, 21),
    datetime.time(23, 59, 59, 999999),
    datetime.datetime(2026, 11, 21, 1, 2, 3, 4),
    datetime.datetime(2026, 11, 21, 1, 2, 3, tzinfo=datetime.timezone.utc),
    datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))),
    datetime.timedelta(days=-1, microseconds=1),
    uuid.UUID("12345678-1234-5678-1234-567812345678"),
]


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    return type(left) is type(right) and left == right and repr_of(left) == repr_of(right)


def repr_of(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}{sorted(map(repr, value))}"
    if isinstance(value, dict):
        return repr({key: repr_of(entry) for key, entry in value.items()})
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}{[repr_of(entry) for entry in value]}"
    return repr(value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!a}")
def test_round_trip(local_echo: Codemode, value: Any) -> None:
    result = local_echo.execute("tools['echo'].run(value=context['value'])", context={"value": value})
    assert result.success, str(result)
    assert same(result.result, value), (result.result, value)
    assert not result.warnings


@pytest.fixture(scope="module")
def local_echo() -> Any:
    from e2e.conftest import registry_of

    def echo(value: Any) -> Any:
        return value

    with Codemode.local(registry=registry_of(echo=echo)) as client:
        yield client


def test_nan(local_echo: Codemode) -> None:
    result = local_echo.execute("x = tools['echo'].run(value=float('nan'))\nassert x != x\nx")
    assert isinstance(result.result, float) and math.isnan(result.result)


def test_the_code_sees_the_types_that_the_tool_returned(local: Local) -> None:
    def give() -> Any:
        return {"at": datetime.datetime(2026, 1, 2, 3, 4), "cost": Decimal("9.99"), "ids": {1, 2}, "raw": b"\xff"}

    code = "row = tools['give'].run()\n[type(row[k]).__name__ for k in ('at', 'cost', 'ids', 'raw')]"
    assert local(give=give).execute(code).result == ["datetime", "Decimal", "set", "bytes"]


def test_large_integers_pass_through_a_tool_exactly(local: Local) -> None:
    def double(number: int) -> int:
        return number * 2

    value = 3**500
    assert local(double=double).execute(f"tools['double'].run(number={value})").result == value * 2


def test_a_large_value(local_echo: Codemode) -> None:
    result = local_echo.execute("x = tools['echo'].run(value='ab' * 2_000_000)\nlen(x)")
    assert result.result == 4_000_000


def test_context_and_config_are_read_only_values(codemode: Codemode) -> None:
    result = codemode.execute("[context['user'], config['depth']]", context={"user": "ada"}, config={"depth": 3})
    assert result.result == ["ada", 3]
    refused = codemode.execute("context['user'] = 'eve'", context={"user": "ada"})
    assert not refused.success
