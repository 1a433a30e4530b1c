"""The application's tools. They run here, in the application, with its rights: code in the sandbox only calls them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from codemode import Tool

_CHUNK = 200  # rows per statement
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class Database(Tool):
    """A DuckDB file. `query` runs SQL; `operation='bulk_insert'` fills a table, made from the data if it is new."""

    name = "database"
    description = "Run SQL (query=...), or insert rows (operation='bulk_insert', table=..., data=[{...}])."

    def __init__(self, path: Path) -> None:
        self._connection = duckdb.connect(str(path))
        self._connection.execute("SET TimeZone = 'UTC'")
        self._lock = threading.Lock()

    def execute(
        self,
        query: str | None = None,
        operation: str | None = None,
        table: str | None = None,
        data: list[dict[str, Any]] | None = None,
    ) -> Any:
        if query is not None:
            return self.rows(query)
        if operation != "bulk_insert" or table is None or data is None:
            raise ValueError("give query=..., or operation='bulk_insert' with table=... and data=[...]")
        return self.bulk_insert(table, data)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(query)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def bulk_insert(self, table: str, data: list[dict[str, Any]]) -> dict[str, Any]:
        if not data:
            return {"table": table, "inserted": 0}
        columns = {name: _sql_type(row.get(name) for row in data) for name in data[0]}
        for name in (table, *columns):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a plain SQL name")
        definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        row = f"({', '.join('?' for _ in columns)})"
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({definition})")
            cursor.begin()
            for start in range(0, len(data), _CHUNK):
                chunk = data[start : start + _CHUNK]
                rows = ", ".join([row] * len(chunk))
                cursor.execute(f"INSERT INTO {table} VALUES {rows}", [entry.get(c) for entry in chunk for c in columns])
            cursor.commit()
        return {"table": table, "inserted": len(data)}

    def close(self) -> None:
        self._connection.close()

    def fill_error_logs(self, recent: int = 25, older: int = 40) -> None:
        """The table that the first job asks for: `recent` rows of the last hour, `older` rows from before it."""
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        moments = [now - timedelta(seconds=60 * i) for i in range(recent)]
        moments += [now - timedelta(hours=2, minutes=i) for i in range(older)]
        self._connection.execute(
            "CREATE OR REPLACE TABLE error_logs (id BIGINT, timestamp TIMESTAMP, message VARCHAR, cost DECIMAL(9, 2))"
        )
        rows = [[i, moment, f"payment {i:03d} failed", Decimal(i) / 4] for i, moment in enumerate(moments)]
        self._connection.executemany("INSERT INTO error_logs VALUES (?, ?, ?, ?)", rows)


class Alerting(Tool):
    """Appends each alert to an outbox, one JSON object a line."""

    name = "alerting"
    description = "Send an alert to people."

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()

    def execute(self, message: str, priority: str = "low", channels: list[str] | None = None) -> dict[str, Any]:
        alert = {"message": message, "priority": priority, "channels": channels or ["email"]}
        with self._lock:
            _append(self._outbox, alert)
        return {"sent": True, "channels": alert["channels"]}


class Metrics(Tool):
    """Appends each measurement to a file, one JSON object a line."""

    name = "metrics"
    description = "Record one measurement."

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def execute(self, metric: str, value: int | float, tags: dict[str, str] | None = None) -> None:
        with self._lock:
            _append(self._path, {"metric": metric, "value": value, "tags": tags or {}})


def _append(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def _sql_type(values: Iterable[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return "BOOLEAN"
    if kinds <= {int}:
        return "BIGINT"
    if kinds <= {int, float}:
        return "DOUBLE"
    return "TIMESTAMP" if kinds <= {datetime} else "VARCHAR"
