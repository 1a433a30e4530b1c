"""Nothing of the contract is left out: what the product has is listed, what is listed is there, and has its test."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import pytest

import codemode
from codemode import config, core, events, tools
from codemode._artifact import Artifact
from codemode._result import Isolation, ToolCallRecord, Usage, Violation
from conformance import contract, contract_keys, contract_names, proofs, report, ways
from conformance.apart import the_documents_are_there  # noqa: F401

REFERENCE = proofs.ROOT.parent / "shared" / "reference.md"

CLASSES: tuple[type, ...] = (
    codemode.Codemode, codemode.AsyncCodemode, codemode.ComponentRegistry, codemode.ScopedRegistry,
    codemode.RuntimeContext, codemode.Tool, tools.Approval, tools.ApprovalRule, tools.ApprovalRequest,
    tools.ApprovalDecision, codemode.ExecutionResult, codemode.ExecutionError, ToolCallRecord, Artifact, Violation,
    Usage, Isolation, codemode.ClientConfig, config.SidecarConfig, config.ConfigLoader,
)  # fmt: skip
CALLS: dict[str, Any] = {
    "Codemode.__init__": codemode.Codemode.__init__,
    "Codemode.from_client_config": codemode.Codemode.from_client_config,
    "Codemode.from_config": codemode.Codemode.from_config,
    "Codemode.from_dict": codemode.Codemode.from_dict,
    "Codemode.from_env": codemode.Codemode.from_env,
    "Codemode.local": codemode.Codemode.local,
    "Codemode.execute": codemode.Codemode.execute,
    "Codemode.stream": codemode.Codemode.stream,
    "Codemode.prompt": codemode.Codemode.prompt,
    "ComponentRegistry.register_tool": codemode.ComponentRegistry.register_tool,
    "tool": codemode.tool,
}
# What the documents of Python promise of any object of these kinds.
_ALSO = {"__enter__", "__aenter__", "__str__", "_repr_html_"}


def public(kind: type) -> set[str]:
    """Its attributes, fields and methods without an underscore, as far as they are the package's own."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("codemode")]
    names = {name for base in ours for name in (*vars(base), *getattr(base, "__annotations__", {}))}
    internal = {name for base in ours for name in contract_names.INTERNAL.get(base.__name__, "").split()}
    return {name for name in names if not name.startswith("_")} - internal


def listed(owner: str) -> set[str]:
    names = (name for section in contract_names.SECTIONS.values() for name in section)
    return {name.removeprefix(f"{owner}.") for name in names if name.rpartition(".")[0] == owner}


@pytest.mark.parametrize("module", [codemode, config, core, tools, events], ids=lambda module: module.__name__)
def test_every_name_of_a_module(module: Any) -> None:
    assert listed(module.__name__) == set(module.__all__)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_name_of_a_class(kind: type) -> None:
    names = listed(kind.__name__)
    assert names - _ALSO == public(kind)
    instance_of = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    fields = instance_of | set(getattr(kind, "model_fields", {}))
    assert all(hasattr(kind, name) or name in fields for name in names)


@pytest.mark.parametrize("call", CALLS)
def test_every_parameter(call: str) -> None:
    parameters = inspect.signature(CALLS[call]).parameters.values()
    named = {it.name for it in parameters if it.name != "self" and it.kind is not inspect.Parameter.VAR_KEYWORD}
    assert listed(call) == named


def test_every_exception_and_its_attributes() -> None:
    kinds = [kind for name in codemode.__all__ if isinstance(kind := getattr(codemode, name), type)]
    exceptions = [kind for kind in kinds if issubclass(kind, codemode.CodemodeError)]
    assert len(exceptions) > 9
    error = codemode.CodemodeError("it")
    assert listed("CodemodeError") == set(vars(error))
    for kind in exceptions:
        own = {name for name in vars(kind) if not name.startswith("_")}
        assert kind is codemode.CodemodeError or listed(kind.__name__) == own, kind
    assert listed("ToolError") == set(vars(codemode.ToolError("it")))


@pytest.mark.parametrize("kind", ["client", "sidecar"])
def test_every_key_has_its_effect(kind: ways.Kind) -> None:
    without = [key for key in ways.keys(kind) if not contract_keys.proofs_of(kind, key)]
    assert without == [], "give each an effect in tests/conformance/*_effects.py"


def test_no_effect_is_of_a_key_that_is_gone() -> None:
    from conformance import client_effects, policy_effects, sidecar_effects

    both = ways.keys("client").keys() & ways.keys("sidecar").keys()
    assert policy_effects.EFFECTS.keys() <= both
    assert client_effects.EFFECTS.keys() <= ways.keys("client").keys()
    assert sidecar_effects.EFFECTS.keys() | sidecar_effects.OF_THE_POLICY.keys() <= ways.keys("sidecar").keys()
    assert contract_keys.ALSO.keys() <= ways.keys("sidecar").keys()


def test_every_variable_is_listed() -> None:
    named = {variable.name for variable in contract_keys.variables()}
    assert contract_keys.variables_of_the_product() - named == set()
    assert {it.name for it in contract_keys.OTHERS} <= contract_keys.variables_of_the_product()


def test_the_defaults_are_those_of_the_reference() -> None:
    known = ways.keys("sidecar")
    assert {key: known[key].default for key in contract_keys.DEFAULTS} == contract_keys.DEFAULTS


def test_nothing_is_listed_without_a_test_and_every_test_exists() -> None:
    table = contract.proofs()
    assert [name for name, named in table.items() if not named] == []
    said = proofs.missing(proof for named in table.values() for proof in named)
    assert not said, "\n".join(said)


# --- the reference and the page

_SECTIONS = ("Conflicts, decided", "Python surface", "Time", "Outcomes", "Defaults and keys", "Configuration keys")


def reference() -> str:
    if not REFERENCE.is_file():
        pytest.skip("conformance NOT RUN: the reference is not at ../shared/reference.md beside the repository")
    return REFERENCE.read_text()


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[0]


# In the reference's own notation: parameters of examples, and the second halves of `get_tool/agent/team/flow`.
_NOTATION = {"None", "agent", "c", "decorated", "flow", "kind", "modules", "team", "v"}


@pytest.mark.parametrize("title", _SECTIONS)
def test_every_word_of_the_reference_is_listed(title: str) -> None:
    text = section(reference(), title)
    known = contract.vocabulary() | _NOTATION
    missing = [token for token in re.findall(r"`([^`]+)`", text) for word in words(token) if not listed_as(word, known)]
    assert missing == []


def words(token: str) -> list[str]:
    return [word.strip(".") for word in re.findall(r"[A-Za-z_][\w.]*", token)]


def listed_as(word: str, known: set[str]) -> bool:
    """As it stands, in parts, or as the end (`_API_KEY`) or the beginning (`CODEMODE_TLS_*`) of a variable."""
    if word.isupper() and (word[0] == "_" or word[-1] == "_"):
        return any(name.startswith(word) or name.endswith(word) for name in known if name.startswith("CODEMODE_"))
    return word in known or all(part in known for part in word.split("."))


def test_every_default_of_the_reference_is_listed() -> None:
    rows = [line for line in section(reference(), "Defaults and keys").splitlines() if line.startswith("| ")]
    cells = [cell.strip() for row in rows for cell in row.strip("|").split("|")]
    named = {
        word for cell in cells for word in re.findall(r"[a-z]+\.[a-z_]+(?:\.[a-z_]+)?|^[a-z]+_[a-z_]+$|^queue$", cell)
    }
    assert named <= contract_keys.DEFAULTS.keys()


def test_the_page_is_what_the_tables_say() -> None:
    page = proofs.ROOT / "docs" / "conformance.md"
    assert page.is_file() and page.read_text() == report.page(), "it is not; run: make docs-conformance"


def test_the_page_names_what_there_is() -> None:
    text = report.page()
    for word in (
        "Codemode.execute",
        "limits.open_files",
        "CODEMODE_API_KEY_FILE",
        "protocol_error",
        "Codemode.as_google_adk_tool",
    ):
        assert f"`{word}`" in text
    assert not [line for line in text.splitlines() if line.startswith("| ") and line.endswith("|  |")], "an empty cell"
