"""The plots of the documentation, from BENCHMARKS.json: plot.py BENCHMARKS.json FOLDER. Needs matplotlib.

The same numbers give the same files, byte for byte. Colours are readable on light and on dark pages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GREY = "#808080"
STYLE = {
    "svg.hashsalt": "codemode",
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "grid.alpha": 0.25,
}
COLOURS = {"codemode": "#2a8bd6", "monty": "#d6842a", "opencodemode": "#c0504d"}


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.rcParams.update(STYLE)
    concurrency(results["concurrency"], folder / "concurrency.svg")
    if results["history"]["served"]:
        history(results["history"], folder / "history.svg")


def concurrency(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    figure, axes = drawing("clients at once", "latency in ms (band: to the 99th percentile)")
    for name, curve in curves.items():
        if curve["clients"]:
            axes.plot(curve["clients"], curve["latency"], marker="o", markersize=4, color=COLOURS[name], label=name)
            axes.fill_between(curve["clients"], curve["latency"], curve["p99"], color=COLOURS[name], alpha=0.15, lw=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    save(figure, axes, path)


def history(curve: dict[str, list[float]], path: Path) -> None:
    figure, axes = drawing("executions served", "latency in ms, paced")
    axes.plot(curve["served"], curve["latency"], color=COLOURS["codemode"], label="latency (median)")
    axes.plot(curve["served"], curve["fresh"], color=GREY, ls=":", label="of a new executor, in turns with it")
    axes.set_ylim(bottom=0)
    memory = axes.twinx()
    memory.spines["right"].set_visible(True)
    held = [value / 2**20 for value in curve["memory"]]
    memory.plot(curve["served"], held, color=GREY, ls="--")
    memory.set_ylim(0, 1.5 * max(held))
    memory.set_ylabel("executor's memory in MiB (dashed)")
    save(figure, axes, path)


def drawing(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(True)
    return figure, axes


def save(figure: Figure, axes: Axes, path: Path) -> None:
    axes.legend()
    nothing: dict[str, Any] = {"Date": None}
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata=nothing)


if __name__ == "__main__":
    main()
