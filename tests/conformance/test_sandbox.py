"""The programs under "Usage Examples" and "Common Patterns", in the sandbox, as they are printed."""

from __future__ import annotations

from conformance.documents import Piece
from conformance.place import CRITICAL, ERROR_LOGS, ERRORS, LOG, RECORDS, Place


def test_direct_file_operations(piece: Piece, basic: Place) -> None:
    written = basic.seen(piece.text, "open('/sandbox/error_analysis.txt').read()")
    assert written == "Found 2 errors\n" + "".join(f"{line}\n" for line in ERRORS)
    assert basic.calls == []


def test_system_commands(piece: Piece, basic: Place) -> None:
    result = basic.run(piece.text)
    # It counts words, and `wc` names the file as well.
    words = sum(len(line.split()) for line in ERRORS)
    assert result.stdout == f"Found {words} errors\nData file has 3 /workspace/data.txt lines\n"
    assert result.stderr == ""


def test_bash_scripts(piece: Piece, basic: Place) -> None:
    lines = basic.run(piece.text).stdout.splitlines()
    assert lines.pop() == ""
    counted = dict(zip(lines[::2], lines[1::2], strict=True))
    assert counted == {
        "Processing ./app.log": "2",
        "Processing ./jobs/worker.log": "0",
        "Processing ./large.log": "2",
    }


def test_proxied_tool_calls(piece: Piece, basic: Place) -> None:
    result = basic.run(piece.text)
    assert result.stdout == "Temperature: 21.5°C\nActive users: 2\n"
    assert basic.calls == [
        ("weather", {"location": "NYC", "units": "metric"}),
        ("database", {"query": 'SELECT * FROM users WHERE status = "active"'}),
        ("alerting", {"message": "Daily report generated", "priority": "low", "channels": None}),
    ]
    assert [(call.name, call.status) for call in result.tool_calls] == [(name, "ok") for name, _ in basic.calls]


def test_hybrid_usage(piece: Piece, basic: Place) -> None:
    basic.log([*LOG, *(f"{ERRORS[0]} {number}" for number in range(150))])
    # The program splits what ends with a line feed, and `-i` finds the word in the warning as well.
    count = len(ERRORS) + 1 + 150 + 1
    result = basic.run(piece.text)
    assert result.result == f"Report generated: {count} errors found"
    assert result.stdout == "Alert sent: {'sent': True, 'priority': 'high'}\n"
    assert (basic.outputs / "hourly_report.txt").read_text() == (
        f"Hourly Error Report\n{'=' * 50}\n\nLog file errors: {count}\nDatabase errors: {len(ERROR_LOGS)}\n\n"
        "Recent errors:\n" + "".join(f"- {row['message']}\n" for row in ERROR_LOGS[:10])
    )
    assert [artifact.path for artifact in result.artifacts] == ["hourly_report.txt"]
    query, alert = basic.calls
    assert query == ("database", {"query": "SELECT * FROM error_logs WHERE timestamp > NOW() - INTERVAL '1 hour'"})
    assert alert == (
        "alerting",
        {
            "message": f"High error rate detected: {count} errors in last hour",
            "priority": "high",
            "channels": ["email", "slack"],
        },
    )
    # The other branch: nobody is alerted, and the report is written all the same.
    basic.begin()
    result = basic.run(piece.text)
    assert (result.result, result.stdout) == ("Report generated: 4 errors found", "")
    assert [name for name, _ in basic.calls] == ["database"]
    assert (basic.outputs / "hourly_report.txt").is_file()


def test_log_analysis_with_alerting(piece: Piece, basic: Place) -> None:
    basic.run(piece.text)
    message = f"Critical errors found:\n{CRITICAL}\n"
    assert basic.calls == [("alerting", {"message": message, "priority": "high", "channels": None})]
    basic.begin()
    basic.log(ERRORS)
    basic.run(piece.text)
    assert basic.calls == []


def test_data_processing_pipeline(piece: Piece, basic: Place) -> None:
    pending = [record for record in RECORDS if record["status"] == "pending"]
    inserted = {"operation": "bulk_insert", "table": "processed_records", "data": pending}
    result = basic.run(piece.text)
    assert basic.calls == [("database", inserted)]
    assert result.result == {"table": "processed_records", "inserted": 2}
    assert (basic.outputs / "report.txt").read_text() == "5 /workspace/data.json\n"
    assert basic.seen(piece.text, "json.load(open('/sandbox/processed.json'))") == pending


def test_file_search_and_analysis(piece: Piece, basic: Place) -> None:
    basic.run(piece.text)
    assert basic.calls == [("metrics", {"metric": "codebase_size", "value": 5, "tags": {"language": "python"}})]
