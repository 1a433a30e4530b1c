"""Where the documents are not beside the repository, nothing here runs, and that is said aloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codemode import Codemode
from conformance import documents, seeds
from conformance.documents import Key, Piece
from conformance.place import Place, Toolbox
from e2e.conftest import the_walls_stand  # noqa: F401  hostile lines follow

BASIC: Key = ("hybrid-execution.md", "block", 2)
_ASKED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[_ASKED] = any(Path(__file__).parent in item.path.parents for item in items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(_ASKED, False) and (reason := documents.absent()):
        terminalreporter.section("WARNING: CONFORMANCE NOT RUN", yellow=True, bold=True)
        terminalreporter.line(f"{reason}: whether their blocks run as printed was NOT tested", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def the_documents_are_there() -> None:
    if reason := documents.absent():
        pytest.skip(f"conformance NOT RUN: {reason}")


@pytest.fixture
def piece(request: pytest.FixtureRequest) -> Piece:
    """What the running test is the runner of, as its document prints it now."""
    runner = f"{request.path.name}::{request.function.__name__}"
    (entry,) = (entry for entry in seeds.ENTRIES if entry.runner == runner)
    found = documents.pieces().get(entry.key)
    assert found and found.sha256 == entry.sha256, f"{runner} was written for another text than {found}"
    return found


@pytest.fixture(scope="session")
def _basic(tmp_path_factory: pytest.TempPathFactory, the_documents_are_there: None) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("basic")
    printed = documents.pieces()[BASIC].text
    # `cp` is what the fifth usage example needs on top, and nothing else is added.
    policy = printed.replace("      - bash\n", "      - bash\n      - cp\n")
    assert len(policy) == len(printed) + len("      - cp\n")
    (folder / "codemode.yaml").write_text(policy)
    workspace, outputs, toolbox = folder / "project_files", folder / "outputs", Toolbox()
    workspace.mkdir()
    outputs.mkdir()
    with Codemode.local(folder / "codemode.yaml", registry=toolbox.registry) as client:
        yield Place(client, workspace, outputs, toolbox)


@pytest.fixture
def basic(_basic: Place) -> Place:
    """One executor for all, under the documents' own Basic policy."""
    _basic.begin()
    return _basic
