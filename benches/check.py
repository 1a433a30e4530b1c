"""Whether a new run is worse than the committed one: by ratios to a yardstick of the same run, not by times."""

from __future__ import annotations

from dataclasses import dataclass

from rows import Row

TOLERANCE = 0.15


@dataclass(frozen=True)
class Regression:
    row: Row
    text: str


def regressions(committed: list[Row], fresh: list[Row], tolerance: float = TOLERANCE) -> list[Regression]:
    """Of the rows that are in both. A row that had a figure and has none is one as well."""
    before = {row.id: row for row in committed}
    found = []
    for row in fresh:
        old = before.get(row.id)
        if old is None or old.figure is None:
            continue
        if row.figure is None:
            found.append(Regression(row, f"{row.id}: {row.label}: not measured any more ({row.absent})"))
        elif text := worse(old, row, tolerance):
            found.append(Regression(row, f"{row.id}: {row.label}: {text}"))
    return found


def worse(old: Row, new: Row, tolerance: float) -> str:
    peer = yardstick(old, new)
    if peer is None:
        return ""
    more = old.ratios[peer] / new.ratios[peer] - 1
    if more <= tolerance:
        return ""
    return f"{100 * more:.0f} % worse against {peer}: {new.ratios[peer]:.3g} x as good, was {old.ratios[peer]:.3g} x"


def yardstick(old: Row, new: Row) -> str | None:
    """The first peer that both runs have: what stands there does the least beside the work itself."""
    return next((peer for peer in old.ratios if peer in new.ratios), None)


def best(first: list[Row], again: list[Row]) -> list[Row]:
    """Each row of the first run, or the second try's where that is better by the yardstick: noise only ever harms."""
    tried = {row.id: row for row in again}

    def chosen(row: Row) -> Row:
        other = tried.get(row.id)
        if other is None or other.figure is None:
            return row
        if row.figure is None:
            return other
        peer = yardstick(row, other)
        return other if peer is not None and other.ratios[peer] > row.ratios[peer] else row

    return [chosen(row) for row in first]
