"""What the documents' programs find: the files that they name in /workspace, and the tools that they call."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from codemode import Codemode, ComponentRegistry, ExecutionResult

ERRORS = ["2026-11-20 ERROR payment failed", "2026-11-20 ERROR stock went negative"]
CRITICAL = "2026-11-20 CRITICAL disk full"
LOG = ["2026-11-20 INFO started", ERRORS[0], CRITICAL, ERRORS[1], "2026-11-20 WARN an Error budget"]
RECORDS = [{"id": 2**53 + 1, "status": "pending"}, {"id": 2, "status": "done"}, {"id": 3, "status": "pending"}]
CONFIG = {"debug": False, "workers": 4}
USERS = [{"name": "Ada", "status": "active"}, {"name": "Grace", "status": "active"}]
_NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
ERROR_LOGS = [
    {"timestamp": _NOW - timedelta(minutes=n), "message": f"payment {n:02d} failed", "cost": Decimal(n)}
    for n in range(14)
]


def fill(workspace: Path) -> None:
    """Anew, so that nothing of an earlier test is left. The folder itself stays, since it is mounted."""
    empty(workspace)
    files = {
        "app.log": "".join(f"{line}\n" for line in LOG),
        "jobs/worker.log": "INFO idle\n",
        "large.log": "INFO a\nERROR b\nERROR c\n",
        "data.txt": "one\ntwo\nthree\n",
        "data.json": "[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n",
        "config.json": json.dumps(CONFIG),
        "file.txt": "nothing of the kind\n",
        "main.py": "import package\n\nprint(1)\n",
        "package/__init__.py": "",
        "package/util.py": "x = 1\ny = 2\n",
    }
    for name, text in files.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text)


def empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


class Toolbox:
    """The application's tools, each with the parameters that the documents give it; every call is written down."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.registry = ComponentRegistry()
        for tool in (self.weather, self.database, self.alerting, self.metrics, self.file_reader):
            self.registry.register_tool(tool.__name__, tool)

    def weather(self, location: str, units: Literal["metric", "imperial"] = "metric") -> dict[str, Any]:
        """The weather at a place."""
        self.calls.append(("weather", {"location": location, "units": units}))
        return {"location": location, "temperature": 21.5 if units == "metric" else 70.7}

    def database(
        self,
        query: str | None = None,
        operation: Literal["bulk_insert"] | None = None,
        table: str | None = None,
        data: list[dict[str, Any]] | None = None,
    ) -> Any:
        """Runs a query, or inserts rows into a table."""
        given = {"query": query, "operation": operation, "table": table, "data": data}
        self.calls.append(("database", {name: value for name, value in given.items() if value is not None}))
        if data is not None:
            return {"table": table, "inserted": len(data)}
        return USERS if "FROM users" in (query or "") else ERROR_LOGS

    def alerting(
        self, message: str, priority: Literal["low", "high"], channels: list[str] | None = None
    ) -> dict[str, Any]:
        """Sends an alert to people."""
        self.calls.append(("alerting", {"message": message, "priority": priority, "channels": channels}))
        return {"sent": True, "priority": priority}

    def metrics(self, metric: str, value: int, tags: dict[str, str]) -> None:
        """Records one measurement."""
        self.calls.append(("metrics", {"metric": metric, "value": value, "tags": tags}))

    def file_reader(self, path: str) -> dict[str, Any]:
        """Reads a JSON file on the application's side."""
        self.calls.append(("file_reader", {"path": path}))
        return CONFIG


@dataclass(frozen=True)
class Place:
    """A client, and what its executor has mounted."""

    client: Codemode
    workspace: Path
    outputs: Path
    toolbox: Toolbox

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        return self.toolbox.calls

    def begin(self) -> None:
        fill(self.workspace)
        empty(self.outputs)
        self.calls.clear()

    def log(self, lines: list[str]) -> None:
        (self.workspace / "app.log").write_text("".join(f"{line}\n" for line in lines))

    def run(self, code: str) -> ExecutionResult:
        """Of code that nothing goes wrong in."""
        result = self.client.execute(code)
        assert result.success and result.exit_code == 0 and result.violations == (), str(result)
        return result

    def seen(self, code: str, question: str) -> Any:
        """Runs the code as it stands, and once more with a question behind it, for what ends with its sandbox."""
        self.run(code)
        self.calls.clear()
        return self.run(f"{code}\nresult = {question}\n").result

    def refused(self, code: str) -> ExecutionResult:
        result = self.client.execute(code)
        assert not result.success and result.outcome == "error" and result.exit_code == 1, str(result)
        assert result.error is not None
        return result


def uncommented(text: str, first: str) -> str:
    """The program with the lines from `first` on taken out of their comments: what the document advises against."""
    head, found, rest = text.partition(f"# {first}")
    assert found, first
    return head + first + rest.replace("\n# ", "\n")
