"""Runs the three jobs and prints each; exits with 1 if one of them failed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from demo.jobs import JOBS, Place
from demo.show import Style, show

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    base = ROOT / "target" / "demo"
    shutil.rmtree(base, ignore_errors=True)
    place = Place(base, ROOT / "outputs")
    failed = 0
    for number, job in enumerate(JOBS, start=1):
        result = job.run(place)
        show(number, job.title, job.code, result)
        failed += not result.success
    summary(place, failed)
    return 1 if failed else 0


def summary(place: Place, failed: int) -> None:
    print(Style().bold("On the host afterwards"))
    print()
    for path in (*sorted(place.outputs.iterdir()), place.outbox, place.metrics, place.database):
        size = f"{path.stat().st_size} B" if path.exists() else "missing"
        print(f"  {path.relative_to(ROOT)}  {size}")
    print()
    print(f"{len(JOBS) - failed} of {len(JOBS)} executions succeeded")


if __name__ == "__main__":
    sys.exit(main())
