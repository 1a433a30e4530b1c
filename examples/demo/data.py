"""The demo's input: real files, the same ones on every run."""

from __future__ import annotations

import json
import random
import shutil
import sysconfig
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

LOG_LINES = 120_000
RECORDS = 5_000

_SERVICES = ("checkout", "search", "payments", "inventory", "gateway")
_FAILURES = (
    "connection to database lost",
    "card processor answered 502",
    "stock level went negative",
    "request body could not be decoded",
    "upstream did not answer within 2000 ms",
)
_STATUSES = ("pending", "done", "failed")


def write_log(path: Path, lines: int = LOG_LINES) -> None:
    """An application log: about one line in 60 is an ERROR, some others merely mention one."""
    with path.open("w") as file:
        file.writelines(_log_lines(lines))


def _log_lines(count: int) -> Iterator[str]:
    random_source = random.Random(7)
    moment = datetime(2026, 11, 20, tzinfo=timezone.utc)
    for number in range(count):
        moment += timedelta(milliseconds=random_source.randrange(5, 1_400))
        service = random_source.choice(_SERVICES)
        stamp = moment.isoformat(timespec="milliseconds")
        request = f"{random_source.getrandbits(48):012x}"
        yield f"{stamp} {_level_and_message(random_source, number)} service={service} request={request}\n"


def _level_and_message(random_source: random.Random, number: int) -> str:
    dice = random_source.random()
    if dice < 1 / 60:
        return f"ERROR {random_source.choice(_FAILURES)}"
    if dice < 1 / 50:
        return f"WARN  error budget at {number % 100} %"
    return f"INFO  handled in {random_source.randrange(1, 900)} ms"


def write_records(path: Path, count: int = RECORDS) -> None:
    """Orders as JSON, one record a line inside one list."""
    random_source = random.Random(11)
    rows = [json.dumps(_record(random_source, number), sort_keys=True) for number in range(count)]
    path.write_text("[\n" + ",\n".join(rows) + "\n]\n")


def _record(random_source: random.Random, number: int) -> dict[str, Any]:
    return {
        # Above 2**53: a transport that turns integers into floats would damage it.
        "id": 9_007_199_254_740_993 + number,
        "customer": f"customer-{random_source.randrange(400):03d}",
        "amount": round(random_source.uniform(1, 900), 2),
        "express": random_source.random() < 0.2,
        "note": None if random_source.random() < 0.5 else "größer & später",
        "status": random_source.choice(_STATUSES),
    }


def copy_standard_library(target: Path) -> None:
    """The running interpreter's own standard library, without what somebody installed into it."""
    ignored = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "*.so", "*.a")
    shutil.copytree(sysconfig.get_paths()["stdlib"], target, ignore=ignored, symlinks=True)
