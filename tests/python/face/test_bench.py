"""The pure parts of `make bench`: statistics, the rows and their table, the comparison with an earlier run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import check
import groups
import instructions
import machine
import measure
import report
from programs import BLOCKS, BLOCKS_ANSWER, MAPPED_BLOCKS
from rows import Found, Row, ratios

BENCH = Path(__file__).resolve().parents[3] / "benches" / "bench.py"


def found() -> Found:
    """A run in which some contestants took part."""
    made = Found(rounds=2)
    made.add("codemode", "embedded", {"paced": [0.9, 0.7], "back_to_back": [2.0]})
    made.add("codemode", "embedded", {"paced": [0.8, 7.0]})
    made.add("fork", "run", {"paced": [1.7], "back_to_back": [1.0]})
    made.add("opencodemode", "run", {"back_to_back": [272.0]})
    made.lacks("spawn", "docker", "no Docker engine runs here")
    return made


def test_samples_of_all_rounds_count_together() -> None:
    assert found().middle("codemode.embedded.paced") == pytest.approx(0.85)
    assert found().percentile("codemode.embedded.paced", 99) == 7.0
    assert found().worst("codemode.embedded.paced", "codemode.embedded.back_to_back") == 7.0
    assert found().middle("monty.run.paced") is None


def test_a_summary() -> None:
    assert measure.summary([3.0, 1.0, 2.0, 10.0]) == {"median": 2.5, "p99": 10.0, "min": 1.0, "max": 10.0, "samples": 4}


def test_a_ratio_above_one_is_better_whatever_is_measured() -> None:
    assert ratios(2.0, {"slower": 6.0, "faster": 1.0, "absent": None}) == {"slower": 3.0, "faster": 0.5}
    assert ratios(600.0, {"fewer": 300.0}, "high") == {"fewer": 2.0}
    assert ratios(None, {"any": 1.0}) == {}


def test_a_run_of_another_machine_is_told_from_one_of_this() -> None:
    now = machine.facts()
    assert machine.differences(now, {**now, "load": 7.0, "kernel": f"{now['kernel'].partition('-')[0]}-other"}) == []
    assert machine.differences({**now, "model": "one", "cores": 1}, {**now, "model": "other", "cores": 2}) == [
        "processor one, now other",
        "cores 1, now 2",
    ]


def test_the_table() -> None:
    rows = [
        Row("paced", "`2 + 2`: median", "ms", 0.75, 0.8, ratios={"fork": 2.0, "opencodemode": 320.04}),
        Row("throughput", "`2 + 2`, 16 clients", "/s", 278.44, 300, "high", ratios={"fork": 0.4}),
        Row("cpu", "of one execution", "ms", 3.0, 4.8, bar_text="≤ 2 x fork"),
        Row("map", "calls at once", "/s", 20_500.3, 20_000, "high"),
        Row("idle", "share of a core", "%", 0.0, 0.5),
        Row("tls", "over TLS", "ms", None, 1.2, absent="exit code 1"),
    ]
    assert report.table(rows).splitlines() == [
        "| measure             |                  bar |       figure |             | times as good as                |",
        "|---------------------|---------------------:|-------------:|-------------|---------------------------------|",
        "| `2 + 2`: median     |           ≤ 0.800 ms |     0.750 ms | met         | fork 2.00 x, opencodemode 320 x |",
        "| `2 + 2`, 16 clients |             ≥ 300 /s |       278 /s | **missed**  | fork 0.400 x                    |",
        "| of one execution    | ≤ 2 x fork = 4.80 ms |      3.00 ms | met         |                                 |",
        "| calls at once       |          ≥ 20 000 /s |    20 500 /s | met         |                                 |",
        "| share of a core     |            ≤ 0.500 % |          0 % | met         |                                 |",
        "| over TLS            |            ≤ 1.20 ms | not measured | exit code 1 |                                 |",
    ]


def test_a_bar_is_met_or_missed() -> None:
    """The median of what was measured, the worst where the bar is one of the tail."""
    rows = {row.id: row for row in groups.GROUPS["paced"].rows(found())}
    assert {name: row.met for name, row in rows.items()} == {
        "paced": False,  # 0.85 ms
        "paced-p99": False,  # 7 ms
        "closed": True,
        "opencodemode": True,
    }
    assert rows["paced"].ratios == {"fork + run + reap": pytest.approx(2.0), "opencodemode": pytest.approx(320.0)}


def test_what_was_not_measured_stays_in_the_table_with_its_reason() -> None:
    made = Found()
    made.lacks("codemode", "start", "failed with exit code 1")
    (row,) = groups.GROUPS["start"].rows(made)
    assert row.met is None
    assert "| not measured | failed with exit code 1 |" in report.table([row])


def test_a_missed_bar_leads_to_its_explanation_where_there_is_one() -> None:
    row = Row("closed", "back to back", "ms", 3.0, 2.5)
    assert report.verdict(row, "# Performance\n\n## closed\n\nBecause.") == (
        "**missed**: [why](docs/performance/index.md#closed)"
    )
    assert report.verdict(row, "# Performance\n") == "**missed**"


def test_every_measurement_has_rows_with_names_of_their_own() -> None:
    rows = [row for group in groups.GROUPS.values() for row in group.rows(Found())]
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.met is None and row.figure is None for row in rows)


def test_rows_survive_the_file() -> None:
    rows = groups.GROUPS["paced"].rows(found())
    assert [Row.from_json(json.loads(json.dumps(row.as_json()))) for row in rows] == rows


@pytest.mark.parametrize(("percent", "is_flagged"), [(14, False), (16, True), (-40, False)])
def test_a_regression_is_more_than_fifteen_percent_against_the_yardstick(percent: int, is_flagged: bool) -> None:
    old = Row("paced", "2 + 2", "ms", 1.0, 0.8, ratios={"fork": 2.0, "Monty": 0.5})
    # The peer that is not the yardstick does not count, and neither does the figure: the machine may be another.
    new = replace(old, figure=50.0, ratios={"fork": 2.0 / (1 + percent / 100), "Monty": 0.1})
    flagged = [regression.text for regression in check.regressions([old], [new])]
    assert flagged == (["paced: 2 + 2: 16 % worse against fork: 1.72 x as good, was 2 x"] if is_flagged else [])


def test_a_figure_that_is_gone_is_a_regression_and_a_new_row_is_none() -> None:
    old = Row("burst", "a burst", "ms", 1.0, 2.0)
    gone = replace(old, figure=None, absent="failed with exit code 1")
    assert [entry.text for entry in check.regressions([old], [gone, replace(old, id="new")])] == [
        "burst: a burst: not measured any more (failed with exit code 1)"
    ]


def test_without_the_yardstick_the_next_common_peer_is_it() -> None:
    old = Row("paced", "2 + 2", "ms", 1.0, 0.8, ratios={"fork": 2.0, "Monty": 0.5})
    assert check.regressions([old], [replace(old, ratios={"Monty": 0.4})])
    assert not check.regressions([old], [replace(old, ratios={})])


def test_of_two_tries_the_better_one_counts() -> None:
    worse = Row("paced", "2 + 2", "ms", 2.0, 0.8, ratios={"fork": 1.0})
    better = replace(worse, figure=1.0, ratios={"fork": 2.0})
    failed = replace(worse, figure=None, ratios={})
    assert check.best([worse], [better]) == check.best([better], [worse]) == check.best([failed], [better]) == [better]


def test_the_document_says_all_that_the_numbers_do() -> None:
    rows = groups.GROUPS["paced"].rows(found())
    results = report.numbers(rows, found(), facts())
    assert json.loads(json.dumps(results)) == results
    document = report.document(rows, results)
    for part in (
        "2 cores (Some Processor, a virtual machine), 8 GiB of memory",
        "**The machine was not quiet",
        report.table(rows),
        "| codemode.embedded.paced | 0.850 | 7.00 | 0.700 | 7.00 | 4 |",
        "- spawn.docker: no Docker engine runs here",
        "Not measured: not part of this run.",
    ):
        assert part in document


def facts() -> dict[str, Any]:
    machine = {
        "cores": 2, "model": "Some Processor", "virtual": True, "memory_gib": 8, "governor": "powersave",
        "clock": "tsc", "kernel": "6.1", "architecture": "x86_64", "python": "3.11.7", "user": "root",
        "load": 1.5, "load_after": 2.0,
    }  # fmt: skip
    return {
        "size": "normal",
        "date": "2026-01-02",
        "machine": machine,
        "isolation": {"tier": "full", "layers": ["seccomp"], "substitutes": []},
        "egress": {"absent": "not part of this run"},
    }


def test_latencies_of_a_crowd_and_of_a_burst() -> None:
    calls: list[int] = []
    crowd = measure.crowd(lambda: calls.append(1), 3, 0.01)
    assert crowd["executions"] == [len(calls)] == [len(crowd["latency"])]
    assert len(measure.at_once(lambda: calls.append(1), 5)) == 5

    def refused() -> None:
        raise RuntimeError("overloaded")

    with pytest.raises(RuntimeError, match="overloaded"):
        measure.at_once(refused, 2)
    with pytest.raises(RuntimeError, match="overloaded"):
        measure.crowd(refused, 2, 60)


def test_the_blocks_that_contestants_run_are_programs() -> None:
    class Echo:
        def run(self, value: int) -> int:
            return value

        def map(self, arguments: list[dict[str, int]]) -> list[int]:
            return [self.run(**one) for one in arguments]

    for program in (BLOCKS, MAPPED_BLOCKS):
        scope: dict[str, Any] = {"tools": {"echo": Echo()}}
        exec(program, scope)
        assert scope["total"] == BLOCKS_ANSWER


@pytest.mark.parametrize(("count", "is_told"), [(1019, False), (1021, True), (979, True)])
def test_an_instruction_count_may_differ_by_two_percent(count: int, is_told: bool) -> None:
    tools = {"rustc": "1.95"}
    told = instructions.differences({"of": tools, "counts": {"request": 1000}}, tools, {"request": count})
    assert [line.partition(" instructions")[0] for line in told] == ([f"request: {count:,}"] if is_told else [])


def test_instruction_counts_of_another_compiler_are_not_compared() -> None:
    (told,) = instructions.differences({"of": {"rustc": "1.95"}, "counts": {}}, {"rustc": "1.96"}, {"request": 1})
    assert "are of rustc 1.95, which is another here" in told


def test_a_subject_that_is_new_or_gone_is_told() -> None:
    told = instructions.differences({"of": {}, "counts": {"old": 1}}, {}, {"fresh": 1})
    assert [line.rpartition(":")[0] for line in told] == ["fresh: new", "old: gone"]


def test_an_unknown_measurement_is_refused_with_the_names_there_are() -> None:
    done = subprocess.run([sys.executable, BENCH, "--only", "pased"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no measurement pased; there are paced, remote, blocks" in done.stderr
