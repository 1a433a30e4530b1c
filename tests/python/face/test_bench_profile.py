"""The pure parts of `make bench-profile`: a trace becomes stages, steps and a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import profile_calls
import profile_execution
import profile_making
import profile_report
import profile_stages
from profile_calls import PAGES
from profile_events import Event, Processors, completed, parsed
from profile_making import BEGIN, CLONE, JOIN, ORDER, OWN, READY, WHOLE
from profile_roles import CLIENT, CODE, EXECUTOR, INIT, ZYGOTE, Roles
from profile_stages import Trace

HERE = Path(__file__).parent
LINES = (HERE / "test_bench_profile_trace.txt").read_text().splitlines()
PAGE = HERE / "test_bench_profile_page.txt"
CALLER, KERNEL_THREAD = 100, 17


def trace(lines: Iterable[str] = LINES) -> Trace:
    """One call, and the making of the sandbox that replaces its own."""
    roles = Roles()
    roles.add(CALLER, CALLER, CLIENT)
    roles.add(101, CALLER, CLIENT)
    roles.add(200, 200, EXECUTOR, CALLER)
    roles.add(300, 300, ZYGOTE, 200)
    roles.add(400, 400, INIT, 300)
    roles.add(401, 401, CODE, 400)
    events = list(completed(parsed(lines)))
    return Trace(events, roles.grow(events), Processors(events), CALLER)


def one(made: Trace) -> profile_stages.Execution:
    (execution,), unread = profile_stages.executions(made)
    assert unread == 0
    return execution


def test_lines_of_the_kernel_become_events() -> None:
    states = "prev_comm=a prev_pid=7 prev_prio=120 prev_state=R+ ==> next_comm=c d next_pid=8 next_prio=120"
    lines = [
        "# tracer: nop",
        f"      a - (b)-7   [001] d..2. 3.000250: sched_switch: {states}",
        "          c d-8   [001] ..... 3.000251: sys_exit: NR 61 = -10",
        "          c d-8   [001] d.h2. 3.000252: sched_waking: comm=e pid=9 prio=120 target_cpu=000",
        "          c d-8   [001] d..2. 3.000253: sched_waking: comm=e pid=9 prio=120 target_cpu=000",
    ]
    assert list(parsed(lines)) == [
        Event(3_000_250.0, 1, 7, "sched_switch", 8, word="R+"),
        Event(3_000_251.0, 1, 8, "sys_exit", 61, -10),
        # That of an interrupt is left out: it says nothing about the task that it interrupted.
        Event(3_000_253.0, 1, 8, "sched_waking", 9),
    ]


def test_who_does_something_has_a_processor_even_if_its_switch_is_missing() -> None:
    events = [Event(1.0, 0, 7, "sched_switch", 0, word="S"), Event(5.0, 0, 8, "sys_enter", 1)]
    assert list(completed(events))[1:] == [Event(5.0, 0, 0, "sched_switch", 8, word="R"), events[1]]


def test_the_time_on_a_processor_is_cut_at_both_ends() -> None:
    events = [Event(0.0, 0, 0, "sched_switch", 7), Event(10.0, 0, 7, "sched_switch", 0)]
    assert Processors(events).time([7], 4.0, 20.0) == 6.0


def test_the_tree_of_processes_grows_by_forks() -> None:
    forks = [(200, 201), (300, 500), (500, 501), (501, 502), (999, 1000)]
    grown = trace([]).roles.grow(Event(0.0, 0, parent, "sched_process_fork", child) for parent, child in forks)
    assert (grown.role[201], grown.process[201]) == (EXECUTOR, 200)
    assert (grown.role[500], grown.role[501], grown.code_of(500)) == (INIT, CODE, 501)
    assert (grown.role[502], grown.process[502], 1000 in grown.role) == (CODE, 501, False)


def test_the_stages_of_an_execution_add_up_to_its_whole() -> None:
    execution = one(trace())
    walls = [round(stage.wall) for stage in execution.stages]
    assert walls == [140, 50, 30, 182, 198, 22, 68, 90]
    assert sum(walls) == round(execution.whole) == 780
    code = execution.stages[3]
    assert (round(code.processor), code.calls, code.faults) == (182, 1, 2)


def test_what_is_behind_the_answer() -> None:
    behind = {name: round(time) for name, time in one(trace()).behind.items()}
    assert behind == {
        profile_stages.APART: 198,
        profile_stages.INIT_ENDS: 300,
        profile_stages.REAPED: 10,
        profile_stages.ENDS: 508,
        profile_stages.KEEPS: 137,
    }


def test_an_answer_may_wait_until_init_is_reaped() -> None:
    """Then the last word is the zygote's."""
    execution = one(trace(later(690, 795, 300)))
    assert moments(execution)[4:] == [402, 600, 922, 990, 1080]


def test_an_answer_may_wait_for_the_kernels_word_that_init_is_gone() -> None:
    """Where the zygote's word comes later, and init said nothing."""
    lines = [line for line in later(690, 795, 300) if not line.endswith(("NR 46 = 20", "NR 47 = 25"))]
    wakes = "sched_waking: comm=codemode pid=200 prio=120 target_cpu=000"
    lines.insert(place(lines, 905), f"              python-400  [001] d..2. 10.000905: {wakes}")
    assert moments(one(trace(lines)))[4:] == [402, 600, 895, 990, 1080]


def test_an_answer_need_not_wait_until_the_codes_process_is_gone() -> None:
    """Nor for what init says then, even if that comes before the answer."""
    early = one(trace(later(600, 655, 200)))
    assert moments(early)[4:] == [402, 402, 402, 690, 780]
    assert early.is_early and round(early.behind[profile_stages.APART]) == 398
    unheard = one(trace(line for line in LINES if not line.endswith("NR 45 = 20")))
    assert moments(unheard)[4:] == [402, 402, 402, 690, 780]
    assert not unheard.is_early


def test_which_thread_of_the_client_speaks_with_the_executor_does_not_matter() -> None:
    alone = [line.replace("-101 ", "-100 ").replace("pid=101 ", "pid=100 ") for line in LINES]
    assert moments(one(trace(alone))) == moments(one(trace()))


def test_who_is_woken_since_there_is_room_again_was_sent_nothing() -> None:
    enters, exits = "sys_enter: NR 45 (3, 0, 0, 0, 0, 0)", "sys_exit: NR 45 = 90"
    wakes = "sched_waking: comm=codemode-io pid=101 prio=120 target_cpu=000"
    room = [
        f"            codemode-200  [000] ..... 10.000{moment}: {text}"
        for moment, text in ((711, enters), (712, wakes), (713, exits))
    ]
    lines = [*LINES]
    lines[place(lines, 711) : place(lines, 711)] = room
    assert moments(one(trace(lines))) == moments(one(trace()))


def test_a_client_that_is_awake_still_is_answered_without_being_woken() -> None:
    """It was woken when its execution began, and has not had a processor since."""
    begun = [
        "            codemode-200  [000] ..... 10.000203: sys_enter: NR 20 (3, 0, 0, 0, 0, 0)",
        "    codemode-200  [000] d..2. 10.000204: sched_waking: comm=codemode-io pid=101 prio=120 target_cpu=000",
        "            codemode-200  [000] ..... 10.000204: sys_exit: NR 20 = 50",
    ]
    lines = [line for line in LINES if moment_of(line) != 700]
    lines[place(lines, 203) : place(lines, 203)] = begun
    assert moments(one(trace(lines)))[5:] == [600, 622, 695, 780]


def moments(execution: profile_stages.Execution) -> list[int]:
    return [round(moment - execution.moments[0]) for moment in execution.moments]


def moment_of(line: str) -> int:
    """Microseconds of the only second."""
    _, _, rest = line.partition(" 10.")
    return int(rest[:6]) if rest else -1


def place(lines: list[str], moment: int) -> int:
    return next(index for index, line in enumerate(lines) if moment_of(line) >= moment)


def later(since: int, until: int, delay: int) -> list[str]:
    """What happens between two moments happens so much later."""

    def moved(line: str) -> str:
        moment = moment_of(line)
        return line.replace(f" 10.{moment:06}", f" 10.{moment + delay:06}") if since <= moment <= until else line

    return sorted(map(moved, LINES), key=moment_of)


def test_an_execution_without_the_events_it_rests_on_is_counted_as_unread() -> None:
    lines = [line for line in LINES if "sched_waking: comm=codemode-io" not in line]
    assert profile_stages.executions(trace(lines)) == ([], 1)


def test_the_steps_of_making_a_sandbox() -> None:
    (made,) = profile_making.makings(trace())
    steps = {
        name: (round(step.wall), round(step.processor), step.calls, step.faults) for name, step in made.rows.items()
    }
    assert steps == {
        ORDER: (30, 20, 0, 0),
        CLONE: (500, 500, 1, 0),
        f"{INIT}: {BEGIN}": (100, 0, 0, 0),
        f"{INIT}: {JOIN}": (3395, 15, 1, 0),  # it waited for a lock
        f"{INIT}: mounts": (30, 30, 2, 0),
        f"{INIT}: fork of the code's process": (150, 150, 1, 0),
        f"{INIT}: identity, rights, limits": (5, 5, 1, 0),
        f"{INIT}: seccomp": (100, 100, 1, 0),
        f"{INIT}: files": (5, 5, 1, 0),
        f"{INIT}: {OWN}": (60, 60, 0, 0),
        f"{INIT}: {READY}": (0, 0, 0, 0),
        f"{CODE}: {BEGIN}": (60, 0, 0, 0),
        f"{CODE}: {PAGES}": (5, 5, 2, 3),  # copies of three, and some that are only read
        f"{CODE}: files": (10, 10, 1, 0),
        f"{CODE}: Landlock": (20, 20, 2, 0),
        f"{CODE}: seccomp": (100, 100, 1, 0),
        f"{CODE}: sockets, waiting for readiness": (10, 10, 1, 0),
        f"{CODE}: {OWN}": (835, 835, 0, 3),
        f"{CODE}: {READY}": (0, 0, 0, 0),
        WHOLE: (5150, 0, 0, 0),
    }


def test_a_system_call_is_of_one_kind() -> None:
    numbers = [number for kind in profile_calls.KINDS.values() for number in kind]
    assert len(numbers) == len(set(numbers))


def test_what_each_takes() -> None:
    taken = found()["totals"]
    assert {name: (round(each.processor), each.calls) for name, each in taken.items()} == {
        CLIENT: (225, 6),
        EXECUTOR: (287, 11),
        ZYGOTE: (575, 5),
        INIT: (670, 10),
        CODE: (1370, 10),
        "kernel threads": (20, 0),
        "everything else on the machine": (0, 0),
    }


def test_a_trace_without_marks_is_of_another_place() -> None:
    with pytest.raises(SystemExit, match="outside of containers"):
        profile_execution.summary(trace([]), set())


def test_the_page() -> None:
    assert profile_report.document(found()) == PAGE.read_text()


def found() -> dict[str, Any]:
    machine = {
        "cores": 2, "model": "Some Processor", "virtual": True, "memory_gib": 8, "governor": "powersave",
        "clock": "tsc", "kernel": "6.1", "architecture": "x86_64", "python": "3.11.7", "user": "root",
        "load": 0.1, "load_after": 0.2,
    }  # fmt: skip
    path = {
        "to the executor": 14.0,
        "to the code": 19.1,
        "code": 46.0,
        "end": 212.0,
        "to the client": 6.3,
        "whole": 344.0,
    }
    making = {
        "clone": 532.0, "mounts": 63.0, "fork": 121.0, "pages": 1528.0, "identity": 11.0, "landlock": 25.0,
        "seccomp": 51.0, "whole": 2528.0, "end": 494.0,
    }  # fmt: skip
    return {
        **profile_execution.summary(trace(), {KERNEL_THREAD}),
        "date": "2026-01-02",
        "machine": machine,
        "isolation": {"tier": "full", "layers": ["seccomp"], "substitutes": []},
        "untraced": [0.7, 0.71],
        "traced": [0.78],
        "floor": {"path": path, "making": making, "touched": 3, "run": 2, "resident": 8 << 20},
        "instructions": {"of": {}, "counts": {"request to the wire": 18_814, "finish from the guest": 677}},
    }
