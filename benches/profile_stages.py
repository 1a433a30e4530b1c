"""One execution in a trace: from the mark before the client's call to the mark behind it, and the end of its sandbox.

Moments are found by who wakes whom and who sends what, never by names of functions: they hold when the code changes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from profile_calls import RECEIVES, SENDS, WAIT4, WAITID, Call, calls
from profile_events import ENTER, EXIT, FAULTS, MARK, SWITCHED, WAKING, Event, Processors
from profile_roles import CLIENT, CODE, EXECUTOR, INIT, ZYGOTE, Roles

# What the client writes to the trace.
CALL, ANSWER, OVER = "call", "answer", "over"

# The stages of the way to the answer, in their order, and whose time each is.
STAGES = (
    ("client: until the request is written", CLIENT),
    ("executor: until the code's process is woken", EXECUTOR),
    ("code's process: until it runs", CODE),
    ("code's process: until its answer is sent", CODE),
    ("code's process: until it is gone, where that is waited for", CODE),
    ("init, zygote: until the executor is told so, where that is waited for", INIT),
    ("executor: until the answer is sent", EXECUTOR),
    ("client: until `execute` returns", CLIENT),
)
RUNS = STAGES[3][0]


@dataclass(frozen=True)
class Stage:
    wall: float
    processor: float
    calls: int
    faults: int


@dataclass
class Execution:
    """`moments`: the beginning, and the end of each stage. Its sandbox's end: see `behind`."""

    moments: list[float]
    stages: list[Stage] = field(default_factory=list)
    behind: dict[str, float] = field(default_factory=dict)
    is_early: bool = False  # answered before the code's process was gone

    @property
    def whole(self) -> float:
        return self.moments[-1] - self.moments[0]


@dataclass
class Trace:
    events: Sequence[Event]
    roles: Roles
    processors: Processors
    client: int  # the thread that calls

    def __post_init__(self) -> None:
        self.times = [event.time for event in self.events]

    def between(self, begin: float, end: float) -> Sequence[Event]:
        """From the one, before the other."""
        return self.events[bisect_left(self.times, begin) : bisect_left(self.times, end)]

    def role(self, task: int) -> str | None:
        return self.roles.role.get(task)

    def marks(self) -> list[Event]:
        return [event for event in self.events if event.name == MARK and event.task == self.client]


def executions(trace: Trace) -> tuple[list[Execution], int]:
    """Those that can be read, and how many cannot: an event that others rest on did not happen in them."""
    marks = trace.marks()
    found, unread = [], 0
    for position, mark in enumerate(marks):
        if mark.word != CALL:
            continue
        answered, after = marks[position + 1], marks[position + 2]
        try:
            found.append(read(trace, mark.time, answered.time, after.time))
        except Unread:
            unread += 1
    return found, unread


class Unread(Exception):
    """An event that was looked for is not there."""


Test = Callable[[Event], bool]


def first(events: Iterable[Event], test: Test) -> Event:
    for event in events:
        if test(event):
            return event
    raise Unread


def read(trace: Trace, begin: float, end: float, after: float) -> Execution:
    way, window = trace.between(begin, end), trace.between(begin, after + LATEST)
    spoken = list(waking_by_sending(way))

    def reaches(by: str, whom: str) -> Test:
        return lambda event: trace.role(event.task) == by and trace.role(event.other) == whom

    # The way in.
    written = first(spoken, reaches(CLIENT, EXECUTOR))
    woken = first(spoken, lambda event: reaches(EXECUTOR, CODE)(event) and event.time >= written.time)
    code = trace.roles.process[woken.other]
    init = trace.roles.parent[code]
    runs = first(window, lambda event: event.name == SWITCHED and event.other == code and event.time >= woken.time)
    # The way out, from its end.
    answered = answering(trace, way, first(reversed(spoken), reaches(EXECUTOR, CLIENT)))
    # What the code's process did last, and who spoke of its end. Where nobody is waited for, nothing is between.
    sent, gone, init_gone = said(trace, window, code), ended(window, code), ended(window, init)
    reaped = reaping(trace, window, init)
    known = word(trace, init, sent, init_gone, reaped, answered)
    waited = (sent, sent) if known is None else (min(gone, known), known)
    moments = [begin, written.time, woken.time, runs.time, sent, *waited, answered, end]
    if moments != sorted(moments):
        raise Unread
    execution = Execution(moments, is_early=answered < gone)
    for (_, role), since, until in zip(STAGES, moments[:-1], moments[1:], strict=True):
        execution.stages.append(measured(trace, role, code, init, since, until))
    execution.behind = behind(trace, sent, gone, init_gone, reaped, answered, after)
    return execution


def waking_by_sending(events: Iterable[Event]) -> Iterator[Event]:
    """Who receives wakes as well: it says that there is room again."""
    inside: dict[int, int] = {}
    for event in events:
        if event.name == ENTER:
            inside[event.task] = event.other
        elif event.name == EXIT:
            inside.pop(event.task, None)
        elif event.name == WAKING and inside.get(event.task) in SENDS:
            yield event


def answering(trace: Trace, way: Sequence[Event], last: Event) -> float:
    """When the client was woken for the last time; or, where it was awake still and waited for a processor, when more
    was sent to it in the same way and nobody had to be woken."""
    executor = trace.roles.of(EXECUTOR)
    number = next((call.number for call in calls(way, last.task) if call.begin <= last.time <= call.end), None)
    wakings = [event for event in way if event.name == WAKING and event.task in executor and event.time > last.time]

    def woke(task: int, call: Call) -> bool:
        return any(event.task == task and call.begin <= event.time <= call.end for event in wakings)

    more = (
        call.end
        for task in executor
        for call in calls(way, task)
        if call.begin > last.time and call.number == number and call.value > 0 and not woke(task, call)
    )
    return max(more, default=last.time)


def said(trace: Trace, events: Sequence[Event], process: int) -> float:
    """When the last thing that it sent was sent."""
    tasks = trace.roles.threads(process)
    return first(reversed(events), lambda event: event.task in tasks and is_sent(event)).time


def is_sent(event: Event) -> bool:
    return event.name == EXIT and event.other in SENDS and event.value > 0


def ended(events: Sequence[Event], process: int) -> float:
    """When it had a processor for the last time: it is a zombie, or gone already."""
    return first(events, lambda event: event.name == SWITCHED and event.task == process and event.word[0] in "ZX").time


def reaping(trace: Trace, events: Sequence[Event], init: int) -> float:
    """When the zygote had waited for it. What it waited with may say whom (wait4) or not (waitid): the first behind the
    end of init is about it."""
    end = ended(events, init)

    def is_it(event: Event) -> bool:
        waited = event.name == EXIT and event.other in {WAIT4, WAITID} and event.value in {init, 0}
        return waited and event.time >= end and trace.role(event.task) == ZYGOTE

    return first(events, is_it).time


def word(trace: Trace, init: int, sent: float, init_gone: float, reaped: float, answered: float) -> float | None:
    """What the executor waited for before it answered: the zygote's word that init is reaped, or what init said last,
    where it received that; otherwise the kernel's word that init is gone. `None`: it saw for itself that the code's
    process was leaving."""
    before = trace.between(sent, answered)
    executor = trace.roles.of(EXECUTOR)
    heard = [one for task in executor for one in calls(before, task) if one.number in RECEIVES and one.value > 0]

    def last(tasks: set[int], since: float) -> float | None:
        words = (one for task in tasks for one in calls(before, task) if one.number in SENDS and one.begin >= since)
        ends = [one.end for one in words if any(one.begin < each.end and one.value == each.value for each in heard)]
        return max(ends, default=None)

    def woke(event: Event) -> bool:
        return event.name == WAKING and event.task in inits and event.other in executor

    inits = trace.roles.threads(init)
    told = last(trace.roles.of(ZYGOTE), reaped) or last(inits, sent)
    if told is None and init_gone < answered:
        return next((event.time for event in reversed(before) if woke(event)), None)
    return told


def measured(trace: Trace, role: str, code: int, init: int, since: float, until: float) -> Stage:
    """Of the role's tasks, and of this sandbox's only."""
    if role in (CODE, INIT):
        tasks = trace.roles.threads(code if role == CODE else init)
        tasks |= trace.roles.of(ZYGOTE) if role == INIT else set()
    else:
        tasks = trace.roles.of(role)
    events = [event for event in trace.between(since, until) if event.task in tasks]
    return Stage(
        until - since,
        trace.processors.time(tasks, since, until),
        sum(event.name == ENTER for event in events),
        sum(event.name in FAULTS for event in events),
    )


# How long after it was asked for something may be done, behind an answer.
LATEST = 100_000.0
# What comes behind the answer, or beside it.
APART = "code's process: from its answer until it is gone"
INIT_ENDS = "init: from the end of the code's process to its own"
REAPED = "zygote: until it has waited for init"
ENDS = "together: from the code's answer until its sandbox is reaped"
KEEPS = "executor: processor time until the next call"

BEHIND = (APART, INIT_ENDS, REAPED, ENDS, KEEPS)


def behind(
    trace: Trace, sent: float, gone: float, ended: float, reaped: float, answered: float, after: float
) -> dict[str, float]:
    return {
        APART: gone - sent,
        INIT_ENDS: ended - gone,
        REAPED: reaped - ended,
        ENDS: reaped - sent,
        KEEPS: trace.processors.time(trace.roles.of(EXECUTOR), answered, after),
    }
