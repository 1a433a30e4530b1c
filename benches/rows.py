"""The rows of the table: a figure, its bar, and how it stands against peers measured in the same run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import measure
from measure import Samples

Better = Literal["low", "high"]


@dataclass(frozen=True)
class Row:
    """`ratios`: how many times as good as each peer; above 1 Codemode is better. The first peer is the yardstick that
    later runs are compared by. `figure` is None where it could not be measured, and `absent` says why."""

    id: str
    label: str
    unit: str
    figure: float | None
    bar: float | None
    better: Better = "low"
    bar_text: str = ""
    ratios: dict[str, float] = field(default_factory=dict)
    absent: str = ""

    @property
    def met(self) -> bool | None:
        if self.figure is None or self.bar is None:
            return None
        return self.figure <= self.bar if self.better == "low" else self.figure >= self.bar

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Row:
        return cls(**{key: value for key, value in found.items() if key != "met"})


class Found:
    """What the contestants found, by `contestant.measurement.name`; None stands for what is not there."""

    def __init__(self, rounds: int = 1) -> None:
        self.rounds = rounds
        self.samples: dict[str, list[float]] = {}
        self.absent: dict[str, str] = {}

    def add(self, contestant: str, measurement: str, samples: Samples) -> None:
        for name, numbers in samples.items():
            self.samples.setdefault(f"{contestant}.{measurement}.{name}", []).extend(numbers)

    def lacks(self, contestant: str, measurement: str, reason: str) -> None:
        self.absent[f"{contestant}.{measurement}"] = reason

    def middle(self, path: str, factor: float = 1.0) -> float | None:
        samples = self.samples.get(path)
        return measure.middle(samples) * factor if samples else None

    def percentile(self, path: str, percent: float) -> float | None:
        samples = self.samples.get(path)
        return measure.percentile(samples, percent) if samples else None

    def worst(self, *paths: str) -> float | None:
        samples = [sample for path in paths for sample in self.samples.get(path, [])]
        return max(samples, default=None)

    def why_not(self, path: str) -> str:
        return self.absent.get(path.rpartition(".")[0], "not measured")


def times_as_good(own: float | None, other: float | None, better: Better) -> float | None:
    if not own or not other:
        return None
    return other / own if better == "low" else own / other


def ratios(own: float | None, peers: dict[str, float | None], better: Better = "low") -> dict[str, float]:
    """In the order of the peers, without those that are not there."""
    found = {name: times_as_good(own, other, better) for name, other in peers.items()}
    return {name: ratio for name, ratio in found.items() if ratio is not None}
