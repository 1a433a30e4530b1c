"""Making one sandbox in a trace: from the executor's order to the code's process that is parked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from profile_calls import FORK, PAGES, WRITE, Call, calls
from profile_events import ENTER, FAULTS, FORKED, SWITCHED, WAKING
from profile_roles import CODE, EXECUTOR, INIT, ZYGOTE
from profile_stages import LATEST, OVER, Stage, Trace

JOIN = "control groups joined"
OWN = "its own code, with the pages that are copied for it"
PAGE_BYTES = 4096
ORDER = "zygote: from the order until it clones"
CLONE = "zygote: the clone into new namespaces"
BEGIN = "until it runs"
READY = "ready to go on, without a processor"
WHOLE = "from the order until it is parked"


@dataclass
class Making:
    """Rows by `role: what`."""

    rows: dict[str, Stage] = field(default_factory=dict)

    def add(self, name: str, wall: float, processor: float, count: int = 0, faults: int = 0) -> None:
        old = self.rows.get(name, Stage(0, 0, 0, 0))
        self.rows[name] = Stage(old.wall + wall, old.processor + processor, old.calls + count, old.faults + faults)


def makings(trace: Trace) -> list[Making]:
    """Of every sandbox whose making is in the trace from its order on."""
    return [
        made
        for event in trace.events
        if event.name == FORKED and trace.role(event.task) == ZYGOTE
        for made in read(trace, event.other, event.task)
    ]


def read(trace: Trace, init: int, zygote: int) -> Iterator[Making]:
    code = trace.roles.code_of(init)
    if code is None:
        return
    clone = forking(trace, zygote, init)
    forked = forking(trace, init, code)
    parked = parking(trace, code)
    if clone is None or forked is None or parked is None:
        return
    orders = [
        event.time
        for event in trace.between(clone.begin - LATEST, clone.begin)
        if event.name == WAKING and trace.role(event.task) == EXECUTOR and event.other == zygote
    ]
    made = Making()
    # A zygote that was busy already is not woken.
    order = orders[-1] if orders else clone.begin
    made.add(ORDER, clone.begin - order, trace.processors.time([zygote], order, clone.begin))
    made.add(CLONE, clone.end - clone.begin, trace.processors.time([zygote], clone.begin, clone.end), 1)
    part(trace, made, INIT, init, born(trace, init), parked, forked.begin)
    part(trace, made, CODE, code, born(trace, code), parked, 0.0)
    made.add(WHOLE, parked - order, 0.0)
    yield made


def forking(trace: Trace, parent: int, child: int) -> Call | None:
    """The call that made the child."""
    moment = born(trace, child)
    around = trace.between(moment - LATEST, moment + LATEST)
    return next((call for call in calls(around, parent) if call.begin <= moment <= call.end), None)


def born(trace: Trace, child: int) -> float:
    return next(event.time for event in trace.events if event.name == FORKED and event.other == child)


def parking(trace: Trace, code: int) -> float | None:
    """When it stopped to wait for the code: the last time before the executor woke it, or the trace was over."""
    since = None
    for event in trace.events:
        if event.name == SWITCHED and event.task == code:
            since = event.time if event.word[0] in "SD" else None
        elif event.name == SWITCHED and event.other == code:
            since = None
        elif event.word == OVER or (
            event.name == WAKING and event.other == code and trace.role(event.task) == EXECUTOR
        ):
            return since
    return since


def part(trace: Trace, made: Making, role: str, task: int, begin: float, end: float, joins_until: float) -> None:
    """What one process did until its last call, from which it does not come back: by the kinds of its calls, and what
    is left is its own."""
    events = [event for event in trace.between(begin, end) if event.task == task or event.other == task]
    last = next((event.time for event in reversed(events) if event.name == ENTER), end)
    runs = next((event.time for event in events if event.name == SWITCHED and event.other == task), begin)
    made.add(f"{role}: {BEGIN}", runs - begin, 0.0)
    inside = waited = 0.0
    for call in calls(events, task):
        processor = trace.processors.time([task], call.begin, call.end)
        inside += processor
        waited += call.end - call.begin - processor
        made.add(f"{role}: {kind(call, joins_until)}", call.end - call.begin, processor, 1)
    running = trace.processors.time([task], begin, last)
    own = running - inside
    made.add(f"{role}: {OWN}", own, own, 0, sum(event.name in FAULTS for event in events))
    if copied := sum(event.value for event in events if event.name == ENTER) // PAGE_BYTES:
        made.add(f"{role}: {PAGES}", 0.0, 0.0, 0, copied)
    made.add(f"{role}: {READY}", last - runs - running - waited, 0.0)


def kind(call: Call, joins_until: float) -> str:
    """One byte, written before init has a child, moves it into a control group."""
    if call.number == WRITE and call.value == 1 and call.end < joins_until:
        return JOIN
    return "fork of the code's process" if call.kind == FORK else call.kind
