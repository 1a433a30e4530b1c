"""What a model reads when its arguments are wrong, and what a schema holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from codemode import ComponentRegistry
from codemode._schema import input_schema, valid_parameters
from codemode._tool import InvalidArguments, InvalidResult, ToolEntry
from codemode.core import RuntimeContext


def entry(component: Any, **options: Any) -> ToolEntry:
    registry = ComponentRegistry()
    if not component.__doc__:
        options.setdefault("description", "What it does.")
    registry.register_tool("it", component, **options)
    return registry.entries()["it"]


def explain(made: ToolEntry, **arguments: Any) -> str:
    with pytest.raises(InvalidArguments) as caught:
        made.call(arguments, RuntimeContext())
    return str(caught.value).removeprefix("invalid arguments for tool 'it': ")


class Priority(Enum):
    LOW = "low"
    HIGH = "high"


class Address(BaseModel):
    street: str
    number: Annotated[int, Field(ge=1)]


def even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


def everything(
    location: str,
    days: Annotated[int, Field(ge=1, le=9)] = 1,
    units: Literal["metric", "imperial"] = "metric",
    tags: Optional[list[str]] = None,  # noqa: UP045
    address: Optional[Address] = None,  # noqa: UP045
    limit: Union[int, list[int]] = 1,  # noqa: UP007
    pairs: Annotated[int, AfterValidator(even)] = 2,
    when: Optional[dt.date] = None,  # noqa: UP045
    priority: Priority = Priority.LOW,
) -> None: ...


def test_every_problem_is_named_at_once() -> None:
    text = explain(
        entry(everything),
        days=12,
        units="kelvin",
        tags=["a", 2],
        address={"street": "x", "number": 0, "city": 1},
        limit="many",
        pairs=3,
        when="yesterday",
        priority="urgent",
        loction="NYC",
    )
    assert text == (
        "location: required, but missing (str); "
        "days: expected int from 1 to 9, got int 12; "
        "units: expected 'metric' or 'imperial', got str 'kelvin'; "
        "tags[1]: expected str, got int 2; "
        "address.number: expected int >= 1, got int 0; "
        "limit: expected int or list of int, got str 'many'; "
        "pairs: must be even, got int 3; "
        "when: expected str (date) or None, got str 'yesterday'; "
        "priority: expected 'low' or 'high', got str 'urgent'; "
        "loction: no such parameter, did you mean 'location'?"
    )


def test_valid_parameters() -> None:
    assert valid_parameters(entry(everything).input.json)[:4] == [
        "location*: str",
        "days: int from 1 to 9",
        "units: 'metric' or 'imperial'",
        "tags: list of str or None",
    ]
    assert valid_parameters(entry(lambda query=None, **more: None).input.json) == ["query: anything", "**any other"]


def test_descriptions_come_from_the_docstring() -> None:
    def google(a: int, b: int = 1) -> None:
        """Adds.

        More.

        Args:
            a (int): The first,
                on two lines.
            b: The second.

        Returns:
            c: nothing
        """

    def numpy(a: int, b: int = 1) -> None:
        """Adds.

        More.

        Parameters
        ----------
        a : int
            The first,
            on two lines.
        b
            The second.

        Returns
        -------
        None
        """

    def sphinx(a: int, b: int = 1) -> None:
        """Adds.

        More.

        :param int a: The first,
            on two lines.
        :param b: The second.
        :returns: nothing
        """

    for function in (google, numpy, sphinx):
        made = entry(function)
        assert made.description == "Adds.\n\nMore."
        properties = made.input.json["properties"]
        assert properties["a"] == {"description": "The first, on two lines.", "type": "integer"}
        assert properties["b"] == {"default": 1, "description": "The second.", "type": "integer"}


def google(location, days=1, units="metric", tags=None, when=None):  # type: ignore[no-untyped-def]
    """Current weather.

    Args:
        location (str): The city.
        days (int, optional): How many. Defaults to 1.
        units ({'metric', 'imperial'}): The scale.
        tags (list[str]): Words.
        when (datetime): Not a simple type.

    Returns:
        dict[str, float]: By day.
    """


def numpy(location, days=1, units="metric", tags=None, when=None):  # type: ignore[no-untyped-def]
    """Current weather.

    Parameters
    ----------
    location : str
        The city.
    days : int, optional
        How many.
    units : {'metric', 'imperial'}, default: 'metric'
        The scale.
    tags : list of str
        Words.
    when : array_like
        Not a simple type.

    Returns
    -------
    temperatures : dict[str, float]
        By day.
    """


def sphinx(location, days=1, units="metric", tags=None, when=None):  # type: ignore[no-untyped-def]
    """Current weather.

    :param str location: The city.
    :param days: How many.
    :type days: int
    :param units: The scale.
    :type units: 'metric' or 'imperial'
    :param list[str] tags: Words.
    :param when: Not a simple type.
    :type when: :class:`datetime`
    :returns: By day.
    :rtype: dict[str, float]
    """


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_types_come_from_the_docstring_where_there_is_no_hint(function: Any) -> None:
    made = entry(function)
    assert explain(made, days="x", units="kelvin", tags=[1], when=object()) == (
        "location: required, but missing (str); days: expected int, got str 'x'; "
        "units: expected 'metric' or 'imperial', got str 'kelvin'; tags[0]: expected str, got int 1"
    )
    # What may be left out as None may be given as None.
    assert made.arguments({"location": "Oslo", "tags": None}) == {"location": "Oslo", "tags": None}
    assert made.input.json["properties"]["when"] == {"default": None, "description": "Not a simple type."}
    assert made.checked({"mon": 1}) == {"mon": 1.0}
    with pytest.raises(InvalidResult, match="mon: expected float, got str 'warm'"):
        made.checked({"mon": "warm"})


def test_hints_win_over_the_docstring() -> None:
    def both(a: int, b=1) -> int:  # type: ignore[no-untyped-def]
        """Both.

        Args:
            a (str): First.
            b (str): Second.

        Returns:
            str: Text.
        """
        return a

    made = entry(both)
    assert explain(made, a="x", b=2) == "a: expected int, got str 'x'; b: expected str, got int 2"
    assert made.checked(3) == 3
    assert made.input.json["properties"]["a"]["description"] == "First."


def test_the_order_of_an_enumeration_is_that_of_the_docstring() -> None:
    def f(a):  # type: ignore[no-untyped-def]
        """F.

        Args:
            a ({'z', 'y', 'x', 'w', 'v'}): One of them.
        """

    assert entry(f).input.json["properties"]["a"]["enum"] == ["z", "y", "x", "w", "v"]


def test_hints_that_mean_nothing_here_do_no_harm() -> None:
    def odd(a: NoSuchName, b: int, c: Iterable[int] = ()) -> NoSuchName:  # type: ignore[name-defined]  # noqa: F821
        return [a, b, c]

    made = entry(odd)
    assert made.call({"a": object, "b": 1, "c": [1, 2]}, RuntimeContext()) == [object, 1, [1, 2]]
    assert explain(made, a=1, b="x") == "b: expected int, got str 'x'"


def test_results_are_checked_against_the_return_hint() -> None:
    def temperatures() -> list[float]: ...  # type: ignore[empty-body]

    made = entry(temperatures)
    assert made.checked([1, 2.5]) == [1.0, 2.5]
    with pytest.raises(InvalidResult) as caught:
        made.checked([1.5, "cold"])
    assert str(caught.value) == (
        "tool 'it' returned what its output schema does not allow: [1]: expected float, got str 'cold'"
    )


def test_return_hints_that_promise_nothing() -> None:
    def a() -> Any: ...
    def b() -> None: ...
    def c(): ...  # type: ignore[no-untyped-def]
    def d() -> Iterator[int]: ...  # type: ignore[empty-body]
    def e() -> ComponentRegistry: ...  # type: ignore[empty-body]

    assert [entry(function).output for function in (a, b, c, d, e)] == [None] * 5


def test_models_as_schemas() -> None:
    made = entry(lambda **kw: kw, input_schema=Address, output_schema=list[int], description="D")
    assert made.call({"street": "x", "number": 3}, RuntimeContext()) == {"street": "x", "number": 3}
    assert explain(made, street="x", number=3, zip=1) == "zip: no such parameter"
    assert made.description == "D"
    with pytest.raises(InvalidResult, match="expected list of int, got dict of 1"):
        made.checked({"a": 1})


def test_dataclass_results() -> None:
    assert entry(lambda: None, output_schema=Point).checked(Point(1)) == Point(1)


SCHEMA = {
    "type": "object",
    "properties": {
        "channel": {"enum": ["email", "slack"]},
        "count": {"type": "integer", "minimum": 1},
        "price": {"type": "number", "multipleOf": 0.1},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1, "uniqueItems": True},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "one": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "maxItems": 2},
        "code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3},
        "not_zero": {"not": {"const": 0}},
    },
    "required": ["channel"],
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "channel: required, but missing ('email' or 'slack')"),
        ({"channel": "fax"}, "channel: expected 'email' or 'slack', got str 'fax'"),
        ({"count": True}, "count: expected int >= 1, got bool True"),
        ({"count": 1.5}, "count: expected int >= 1, got float 1.5"),
        ({"count": 0}, "count: expected int >= 1, got int 0"),
        ({"price": 0.25}, "price: expected float multiple of 0.1, got float 0.25"),
        ({"items": [{"id": 1}, {"id": "x"}]}, "items[1].id: expected int, got str 'x'"),
        ({"items": [{}]}, "items[0].id: required, but missing (int)"),
        ({"items": []}, "items: expected list of dict with at least 1 items, got list of 0"),
        ({"items": [{"id": 1}, {"id": 1}]}, "items: expected list of dict with at least 1 items, got list of 2"),
        ({"either": 1}, "either: expected str or None, got int 1"),
        ({"one": 7}, "one: expected int or float >= 5, got int 7"),
        ({"pair": ["a", 1]}, "pair[1]: expected bool, got int 1"),
        ({"code": "ab"}, "code: expected str matching '^[A-Z]+$' with at most 3 characters, got str 'ab'"),
        ({"not_zero": 0}, "not_zero: expected anything, got int 0"),
        ({"chanel": 1, "channel": "email"}, "chanel: no such parameter, did you mean 'channel'?"),
    ],
)
def test_json_schema_is_enforced(arguments: dict[str, Any], expected: str) -> None:
    made = entry(lambda **kw: kw, input_schema=SCHEMA)
    given = arguments if not arguments or "channel" in arguments else {"channel": "email", **arguments}
    assert explain(made, **given) == expected


def test_what_fits_a_json_schema_passes_unchanged() -> None:
    good = {"channel": "slack", "count": 2, "price": 0.3, "items": [{"id": 1, "x": 2}], "either": None, "one": 6.5}
    assert entry(lambda **kw: kw, input_schema=SCHEMA).call(good, RuntimeContext()) == good


OPEN = {"type": "object", "properties": {"text": {"type": "string"}, "list": {"type": "array"}, "any": {}}}


@dataclass
class Point:
    x: int


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (dt.date(2024, 2, 29), "date"),
        (dt.datetime(2024, 2, 29), "datetime"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (Opaque(), "Opaque"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_json_does_not_have_fits_only_where_anything_does(value: Any, kind: str) -> None:
    made = entry(lambda **kw: kw, input_schema=OPEN)
    assert made.arguments({"any": value})["any"] is value
    for name, expected in (("text", "str"), ("list", "list")):
        told = explain(made, **{name: value})
        assert told.startswith(f"{name}: expected {expected}, got ") and told.endswith(kind)


def test_what_has_a_form_in_json_is_checked_in_that_form_and_stays_as_it_is() -> None:
    numbers = {"type": "object", "additionalProperties": {"type": "number", "minimum": 1}}
    made = entry(lambda: None, output_schema=numbers)
    for good in ({1: 2.5}, {"a": Decimal("1.5")}, Point(1), {"a": 2**70}):
        assert made.checked(good) is good
    for bad in ({1: 0.5}, {"a": Decimal("0.5")}, Point(0), {"a": True}, {"a": -(2**70)}, [1], 1, "x", Opaque()):
        with pytest.raises(InvalidResult):
            made.checked(bad)
    pair = entry(lambda: None, output_schema={"type": "array", "items": {"type": "integer"}})
    value = (1, 2)
    assert pair.checked(value) is value
    with pytest.raises(InvalidResult, match=r"\[1\]: expected int, got str 'x'"):
        pair.checked((1, "x"))


def test_a_value_that_contains_itself_does_not_fit() -> None:
    made = entry(lambda: None, output_schema={"type": "array", "items": {"type": "array"}})
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidResult):
        made.checked(loop)


def test_every_keyword_of_json_schema_is_enforced() -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}},
        "if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
        "then": {"required": ["size"]},
        "patternProperties": {"^x_": {"type": "integer"}},
        "propertyNames": {"maxLength": 5},
    }
    made = entry(lambda **kw: kw, input_schema=schema)
    assert made.arguments({"kind": "b", "x_1": 1}) == {"kind": "b", "x_1": 1}
    assert explain(made, kind="a").startswith("size: required, but missing")
    assert "x_1" in explain(made, x_1="no")
    assert "too_long" in explain(made, too_long=1)


def test_the_schema_is_the_one_that_was_registered() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    made = entry(lambda **kw: kw, input_schema=schema)
    schema["properties"]["a"]["type"] = "string"
    assert explain(made, a="x") == "a: expected int, got str 'x'"
    assert made.input.json["properties"]["a"] == {"type": "integer"}


def test_schemas_are_json() -> None:
    spec = entry(everything).spec
    assert json.loads(spec["input_schema"] or b"")["required"] == ["location"]
    assert spec["output_schema"] is None


def test_a_model_is_not_held_to_more_than_it_asks() -> None:
    class Named(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        user_id: int = Field(alias="userId")
        other: int

    schema = input_schema(Named, "named")
    assert schema.json["required"] == ["other"] and "additionalProperties" not in schema.json
    assert schema.check({"user_id": 1, "other": 2})[1] == [] == schema.check({"userId": 1, "other": 2})[1]
    assert schema.check({"user": 1, "other": 2})[1]

    class Rewritten(BaseModel):
        city: str

        @model_validator(mode="before")
        @classmethod
        def place(cls, given: Any) -> Any:
            return {"city": given.pop("where")} if "where" in given else given

    schema = input_schema(Rewritten, "rewritten")
    assert "required" not in schema.json and "additionalProperties" not in schema.json
    assert schema.check({"where": "Oslo"}) == ({"city": "Oslo"}, [])
    assert schema.check({})[1], "the model itself still asks"
