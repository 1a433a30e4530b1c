"""Rules of approval: which calls run, which never do, and which a person decides."""

from __future__ import annotations

import enum
import functools
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_native import NativeClient
from pydantic import BaseModel, Field, SecretStr

from codemode import ComponentRegistry, RegistryError, Tool, tool
from codemode._tool import ToolEntry
from codemode.tools import Approval, ApprovalRule

Native = type[NativeClient]


def entry_of(function: Any, approval: Any, **options: Any) -> ToolEntry:
    registry = ComponentRegistry()
    registry.register_tool("it", function, description="A tool.", approval=approval, **options)
    return registry.entries()["it"]


def verdict(function: Any, approval: Any, /, **given: Any) -> str:
    entry = entry_of(function, approval)
    return entry.gate.verdict(entry.arguments(given))[0] if entry.gate else "allow"


def deny(argument: str, pattern: str) -> Approval:
    return Approval("allow", [ApprovalRule(argument, pattern, "deny")])


def allow(argument: str, pattern: str) -> Approval:
    return Approval("ask", [ApprovalRule(argument, pattern, "allow")])


def anything(value: Any) -> None: ...


def text(value: str) -> None: ...


@pytest.mark.parametrize(
    ("approval", "expected"),
    [
        (None, "allow"),
        ("allow", "allow"),
        (False, "allow"),
        ("ask", "ask"),
        (True, "ask"),
        ("deny", "deny"),
        (Approval(), "ask"),
        (Approval("deny"), "deny"),
        (Approval("allow"), "allow"),
        ([], "allow"),
    ],
)
def test_what_holds_for_every_call(approval: Any, expected: str) -> None:
    assert verdict(text, approval, value="x") == expected


def test_deny_beats_ask_beats_allow_beats_the_default() -> None:
    rules = [
        ApprovalRule("value", "*", "allow"),
        ApprovalRule("value", "/etc*", "ask"),
        ApprovalRule("value", "/etc/shadow", "deny"),
    ]
    for order in (rules, rules[::-1]):
        found = {
            value: verdict(text, Approval("deny", order), value=value) for value in ("/tmp", "/etc", "/etc/shadow")
        }
        assert found == {"/tmp": "allow", "/etc": "ask", "/etc/shadow": "deny"}
    assert verdict(text, Approval("deny", rules[1:]), value="/tmp") == "deny"
    assert verdict(text, rules[1:], value="/tmp") == "allow"


class Color(str, enum.Enum):
    RED = "red"


class Job(BaseModel):
    path: str
    mode: str = "ro"
    token: SecretStr = SecretStr("")
    hidden: str = Field("", exclude=True)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("/etc/*", "/etc/passwd", True),
        ("/etc/*", "/ETC/passwd", False),
        ("*.txt", "a\nb.txt", True),
        ("?", "ab", False),
        ("[ab]*", "bc", True),
        ("5", 5, True),
        ("5", "5", True),
        ("5", 5.5, False),
        ("5", "5.0", False),
        ("true", True, True),
        ("null", None, True),
        ("2024-*", date(2024, 5, 1), True),
        ("red", Color.RED, True),
        ('{"a":1,"b":"x y"}', {"b": "x y", "a": 1}, True),
        ('*"é"*', {"k": "é"}, True),
        ("*secret*", b"a secret", True),
        ("*/etc/shadow*", {1: "/etc/shadow", "x": 2}, True),
    ],
)
def test_patterns_look_at_the_text_of_a_value(pattern: str, value: Any, matches: bool) -> None:
    assert (verdict(anything, deny("value", pattern), value=value) == "deny") is matches
    assert (verdict(anything, allow("value", pattern), value=value) == "allow") is matches


@pytest.mark.parametrize(
    ("pattern", "value"), [("5", 5.0), ("5.0", 5), ("0", -0.0), ("1" + "0" * 19, 1e19), ("5", [5.0])]
)
def test_a_number_is_denied_however_the_code_writes_it(pattern: str, value: Any) -> None:
    assert verdict(anything, deny("value", pattern), value=value) == "deny"
    assert verdict(anything, allow("value", pattern), value=value) == "ask"


@pytest.mark.parametrize(
    ("value", "denied", "allowed"),
    [
        (["/tmp/a", "/tmp/b"], False, True),
        (["/tmp/a", "/etc/b"], True, False),
        (("/etc/a",), True, False),
        ({"/etc/a"}, True, False),
        ([["/tmp/a"], ["/etc/b"]], True, False),
        ([], False, False),
    ],
)
def test_a_list_is_denied_by_one_member_and_allowed_by_all(value: Any, denied: bool, allowed: bool) -> None:
    assert verdict(anything, deny("value", "/etc/*"), value=value) == ("deny" if denied else "allow")
    assert verdict(anything, allow("value", "/tmp/*"), value=value) == ("allow" if allowed else "ask")


def test_a_pattern_that_fits_a_whole_list_allows_no_other_member() -> None:
    assert verdict(anything, allow("value", "*/tmp/*"), value=["/tmp/a", "/etc/b"]) == "ask"
    assert verdict(anything, deny("value", '*"/etc/b"]'), value=["/tmp/a", "/etc/b"]) == "deny"


@pytest.mark.parametrize(
    "value",
    [b"\xff", [b"\xff"], {1: "x", "1": "y"}, object()],
    ids=["bytes", "list", "keys", "object"],
)
def test_what_has_no_text_is_never_allowed_and_always_denied(value: Any) -> None:
    assert verdict(anything, deny("value", "harmless"), value=value) == "deny"
    assert verdict(anything, allow("value", "*"), value=value) == "ask"


def test_rules_look_at_what_the_tool_gets() -> None:
    def count(value: int) -> None: ...

    def path(value: Path) -> None: ...

    def job(value: Job) -> None: ...

    assert verdict(count, deny("value", "0"), value="00") == "deny"
    assert verdict(count, allow("value", "1"), value=1.0) == "allow"
    assert verdict(path, deny("value", "/etc/*"), value="/etc/shadow") == "deny"
    # Nothing of a model is hidden from a rule: neither secrets nor what it keeps out of its own JSON.
    for given in ({"path": "x", "token": "hunter2"}, {"path": "x", "hidden": "hunter2"}, {"path": "hunter2"}):
        assert verdict(job, deny("value", "*hunter2*"), value=given) == "deny"
    assert verdict(job, deny("value", "*hunter2*"), value={"path": "x"}) == "allow"


def test_left_out_arguments_have_their_defaults() -> None:
    def typed(path: str = "/etc", where: Path = Path("/etc")) -> None: ...

    schema = {"type": "object", "properties": {"path": {"type": "string", "default": "/etc"}, "more": {}}}

    def written(**arguments: Any) -> None: ...

    class Model(BaseModel):
        path: str = Field(default_factory=lambda: "/etc")

    for function, options, argument in (
        (typed, {}, "path"),
        (typed, {}, "where"),
        (written, {"input_schema": schema}, "path"),
        (written, {"input_schema": Model}, "path"),
    ):
        gate = entry_of(function, deny(argument, "/etc"), **options).gate
        checked = entry_of(function, None, **options).arguments({})
        assert gate and gate.verdict(checked) == ("deny", f"argument {argument!r} matches '/etc'")
    gate = entry_of(written, deny("more", "*"), input_schema=schema).gate
    assert gate and gate.verdict({})[0] == "allow"


@pytest.mark.parametrize("said", [{}, {"default": "/tmp"}])
def test_the_default_of_a_hand_written_schema_is_only_words(said: dict[str, str]) -> None:
    """The function is called without the argument, and has its own."""

    def typed(path: str = "/etc") -> None: ...

    schema = {"type": "object", "properties": {"path": {"type": "string", **said}}}
    for approval, action in ((deny("path", "/etc"), "deny"), (allow("path", "/tmp"), "ask")):
        gate = entry_of(typed, approval, input_schema=schema).gate
        assert gate and gate.verdict({})[0] == action


def test_a_model_that_renames_its_fields() -> None:
    class Model(BaseModel):
        where: str = Field("/etc", alias="path")

    def written(**arguments: Any) -> None: ...

    for argument in ("path", "where"):
        entry = entry_of(written, deny(argument, "/etc"), input_schema=Model)
        assert entry.gate and entry.gate.verdict(entry.arguments({"path": "/etc"}))[0] == "deny"
        assert entry.gate.verdict(entry.arguments({"path": "/tmp"}))[0] == "allow"


@pytest.mark.parametrize(
    ("approval", "message"),
    [
        ("maybe", "approval of tool 'it' must be 'allow', 'ask' or 'deny', got 'maybe'"),
        (3, "approval of tool 'it' must be 'allow', 'ask', 'deny', an Approval or a list of ApprovalRule, got 3"),
        (Approval("yes"), "must be 'allow', 'ask' or 'deny', got 'yes'"),  # type: ignore[arg-type]
        ([ApprovalRule("value", "*", "maybe")], "must be 'allow', 'ask' or 'deny', got 'maybe'"),  # type: ignore[arg-type]
        ([ApprovalRule("value", 5, "ask")], "argument and pattern must be text"),  # type: ignore[arg-type]
        (["ask"], "'ask' is no ApprovalRule"),
        (ApprovalRule("value", "*", "ask"), r"rules are a list; write \[ApprovalRule\(…\)\]"),
        ([ApprovalRule("value", "/tmp/*", "allow")], "'it': .* allows what the default allows already"),
        (
            [ApprovalRule("value", "*", "ask"), ApprovalRule("value", "*", "deny")],
            "approval of tool 'it': there are two actions for argument 'value' and pattern '\\*'",
        ),
        (deny("valeu", "*"), r"no parameter 'valeu', did you mean 'value'\? \(parameters: value\)"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_at_registration(approval: Any, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        entry_of(text, approval)


def test_a_rule_for_any_parameter_of_an_open_tool() -> None:
    def takes_all(**arguments: Any) -> None: ...

    assert verdict(takes_all, deny("path", "/etc"), path="/etc") == "deny"
    assert verdict(takes_all, deny("path", "/etc")) == "allow"
    closed = {"type": "object", "properties": {"value": {}}}
    with pytest.raises(RegistryError, match="no parameter 'path'"):
        entry_of(takes_all, deny("path", "/etc"), input_schema=closed)


def test_every_way_to_give_a_tool_its_approval() -> None:
    @tool(approval="deny")
    def decorated() -> None:
        """A tool."""

    class AsClass(Tool):
        name = "class"
        description = "A tool."
        approval = "ask"

        def execute(self) -> None: ...

    class Other:
        """Not ours: these words mean something else here."""

        approval = "deny"
        timeout = "soon"

        def run(self) -> None: ...

    registry = ComponentRegistry()
    registry.register(decorated)
    registry.register_tool("overridden", decorated, approval="allow")
    registry.register_tool(AsClass())
    registry.register_tool("other", Other())
    found = {name: entry.gate and entry.gate.approval.default for name, entry in registry.entries().items()}
    assert found == {"decorated": "deny", "overridden": None, "class": "ask", "other": None}


def test_a_tool_made_of_another_is_bound_by_its_approval_and_time() -> None:
    @tool(approval="deny", timeout=5)
    def remove(path: str, force: bool = False) -> None: ...

    @tool(approval="ask")
    class Base:
        def run(self) -> None: ...

    class Derived(Base): ...

    class Loose(Derived, Tool):
        approval = Approval("deny")

        def execute(self) -> None: ...

    forced = entry_of(functools.partial(remove, force=True), None)
    assert forced.gate and (forced.gate.approval, forced.timeout) == (Approval("deny"), 5)
    derived = entry_of(Derived(), None)
    assert derived.gate and derived.gate.approval == Approval("ask")
    own = entry_of(Loose(), None)
    assert own.gate and own.gate.approval == Approval("deny")
    assert entry_of(Derived(), "allow").gate is None
