"""The demo's three jobs, checked against counts made here in another way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.jobs import JOBS, Place
from demo.tools import Database

BY_NAME = {job.name: job for job in JOBS}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "base").mkdir()
    return Place(tmp_path / "base", tmp_path / "outputs")


def test_hybrid(place: Place) -> None:
    result = BY_NAME["hybrid"].run(place)
    assert result.success, str(result)

    log = (place.workspace("hybrid") / "app.log").read_text()
    assert log.count("\n") >= 100_000
    # The program splits text that ends with a line feed, so it counts one more than there are lines.
    errors = sum("error" in line.lower() for line in log.splitlines()) + 1
    assert errors > 100
    assert result.result == f"Report generated: {errors} errors found"

    report = (place.outputs / "hourly_report.txt").read_text()
    assert f"Log file errors: {errors}\n" in report
    assert "Database errors: 25\n" in report
    assert report.count("\n- payment ") == 10

    (alert,) = map(json.loads, place.outbox.read_text().splitlines())
    assert alert == {
        "message": f"High error rate detected: {errors} errors in last hour",
        "priority": "high",
        "channels": ["email", "slack"],
    }
    assert result.stdout.startswith("Alert sent: {'sent': True")
    assert [(call.name, call.status) for call in result.tool_calls] == [("database", "ok"), ("alerting", "ok")]
    assert [artifact.path for artifact in result.artifacts] == ["hourly_report.txt"]


@pytest.mark.timeout(300)
def test_search(place: Place) -> None:
    result = BY_NAME["search"].run(place)
    assert result.success, str(result)
    sources = [path for path in place.workspace("search").rglob("*.py") if path.is_file() and not path.is_symlink()]
    assert len(sources) > 500
    lines = sum(path.read_bytes().count(b"\n") for path in sources)
    (metric,) = map(json.loads, place.metrics.read_text().splitlines())
    assert metric == {"metric": "codebase_size", "value": lines, "tags": {"language": "python"}}


def test_pipeline(place: Place) -> None:
    result = BY_NAME["pipeline"].run(place)
    assert result.success, str(result)
    source = place.workspace("pipeline") / "data.json"
    pending = [record for record in json.loads(source.read_text()) if record["status"] == "pending"]
    assert result.result == {"table": "processed_records", "inserted": len(pending)}

    database = Database(place.database)
    try:
        assert database.rows("SELECT * FROM processed_records ORDER BY id") == pending
    finally:
        database.close()
    lines = source.read_bytes().count(b"\n")
    assert (place.outputs / "report.txt").read_text() == f"{lines} /workspace/data.json\n"
