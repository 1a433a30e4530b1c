"""The three jobs: what each finds in its workspace, which tools it gets and under which policy it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codemode import Codemode, ComponentRegistry, ExecutionResult, Tool
from demo import data
from demo.tools import Alerting, Database, Metrics

PROGRAMS = Path(__file__).parent / "programs"
COMMANDS = ("grep", "cat", "ls", "find", "wc", "head", "tail", "bash", "cp")


@dataclass(frozen=True)
class Place:
    """Where a run keeps its files on the host."""

    base: Path
    outputs: Path

    @property
    def database(self) -> Path:
        return self.base / "demo.duckdb"

    @property
    def outbox(self) -> Path:
        return self.base / "outbox.jsonl"

    @property
    def metrics(self) -> Path:
        return self.base / "metrics.jsonl"

    def workspace(self, job: str) -> Path:
        return self.base / "workspace" / job


@dataclass(frozen=True)
class Job:
    name: str
    title: str
    prepare: Callable[[Place, Path], None]
    tools: Callable[[Place], list[Tool]]
    code_timeout: int = 60

    @property
    def code(self) -> str:
        return (PROGRAMS / f"{self.name}.py").read_text()

    def policy(self, place: Place) -> dict[str, Any]:
        return {
            "execution": {"allow_direct_execution": True, "allowed_commands": list(COMMANDS)},
            "filesystem": {
                "workspace": {"mount": str(place.workspace(self.name)), "readonly": True},
                "sandbox": {"mount": "/sandbox", "readonly": False, "max_size": "1GB"},
                "outputs": {"mount": str(place.outputs), "readonly": False},
            },
            "network": {"mode": "none"},
            "limits": {"code_timeout": self.code_timeout, "max_code_length": 10_000, "memory_limit": "512Mi"},
        }

    def run(self, place: Place) -> ExecutionResult:
        workspace = place.workspace(self.name)
        workspace.parent.mkdir(parents=True, exist_ok=True)
        place.outputs.mkdir(parents=True, exist_ok=True)
        self.prepare(place, workspace)
        registry = ComponentRegistry()
        for tool in self.tools(place):
            registry.register_tool(tool)
        with Codemode.local(self.policy(place), registry=registry) as codemode:
            return codemode.execute(self.code)


def _prepare_hybrid(place: Place, workspace: Path) -> None:
    workspace.mkdir()
    data.write_log(workspace / "app.log")
    database = Database(place.database)
    database.fill_error_logs()
    database.close()


def _prepare_search(place: Place, workspace: Path) -> None:
    data.copy_standard_library(workspace)


def _prepare_pipeline(place: Place, workspace: Path) -> None:
    workspace.mkdir()
    data.write_records(workspace / "data.json")


JOBS = (
    Job(
        "hybrid",
        "Hybrid usage: commands, files, a database and an alert in one program",
        _prepare_hybrid,
        lambda place: [Database(place.database), Alerting(place.outbox)],
    ),
    Job(
        "search",
        "File search and analysis: the interpreter's own standard library, one `wc` per file",
        _prepare_search,
        lambda place: [Metrics(place.metrics)],
        code_timeout=240,
    ),
    Job(
        "pipeline",
        "Data processing pipeline: read, filter, store in bulk, report by shell redirection",
        _prepare_pipeline,
        lambda place: [Database(place.database)],
    ),
)
