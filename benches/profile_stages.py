"""One execution in a trace: from the mark before the client's call to the mark behind it, and the end of its sandbox.

Moments are found by who wakes whom and who sends what, never by names of functions: they hold when the code changes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from profile_calls import SENDS, WAIT4, WAITID
from profile_events import ENTER, EXIT, FAULTS, MARK, SWITCHED, WAKING, Event, Processors
from profile_roles import CLIENT, CODE, EXECUTOR, INIT, ZYGOTE, Roles

# What the client writes to the trace.
CALL, ANSWER, OVER = "call", "answer", "over"

# The stages of the way to the answer, in their order, and whose time each is.
STAGES = (
    ("client: `execute` until its I/O thread is woken", CLIENT),
    ("client: I/O thread until the request is written", CLIENT),
    ("executor: until the code's process is woken", EXECUTOR),
    ("code's process: until it runs", CODE),
    ("code's process: until its answer is sent", CODE),
    ("code's process: until it is gone", CODE),
    ("init, zygote: until the executor knows that nothing runs", INIT),
    ("executor: until the answer is sent", EXECUTOR),
    ("client: I/O thread until `execute` is woken", CLIENT),
    ("client: until `execute` returns", CLIENT),
)


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

    def wakes(by: str, whom: str) -> Test:
        return lambda event: event.name == WAKING and trace.role(event.task) == by and trace.role(event.other) == whom

    # The way in. A client whose thread writes by itself hands nothing over.
    written = first(way, wakes(CLIENT, EXECUTOR))
    handing = [event for event in way if wakes(CLIENT, CLIENT)(event)]
    handed = next((event for event in handing if event.task == trace.client and event.time < written.time), written)
    woken = first(way, lambda event: wakes(EXECUTOR, CODE)(event) and event.time >= written.time)
    code = trace.roles.process[woken.other]
    init = trace.roles.parent[code]
    runs = first(window, lambda event: event.name == SWITCHED and event.other == code and event.time >= woken.time)
    # The way out, from its end.
    to_client = [event for event in way if wakes(EXECUTOR, CLIENT)(event)]
    returned = [event for event in handing if event.other == trace.client and event.time > written.time]
    limit = returned[-1].time if returned else end
    answered = first(reversed(to_client), lambda event: event.time <= limit)
    returning = returned[-1] if returned and returned[-1].time > answered.time else answered
    # What the code's process did last, and who spoke of its end.
    sent = said(trace, window, code)
    gone = ended(window, code)
    reaped = reaping(trace, window, init)
    known = word(trace, window, code, init, reaped, answered.time)
    moments = [
        begin, handed.time, written.time, woken.time, runs.time, sent, min(gone, known), known,
        answered.time, returning.time, end,
    ]  # fmt: skip
    if moments != sorted(moments):
        raise Unread
    execution = Execution(moments)
    for (_, role), since, until in zip(STAGES, moments[:-1], moments[1:], strict=True):
        execution.stages.append(measured(trace, role, code, init, since, until))
    execution.behind = behind(trace, sent, gone, ended(window, init), reaped, answered.time, after)
    return execution


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


def word(trace: Trace, events: Sequence[Event], code: int, init: int, reaped: float, answered: float) -> float:
    """What the executor waited for before it answered: the zygote's word that init is reaped, where it came first;
    otherwise the last that init sent; otherwise the last that the end of the two processes woke it by."""
    before = [event for event in events if event.time < answered]

    def last(tasks: set[int], test: Test, since: float = 0.0) -> float | None:
        times = (
            event.time for event in reversed(before) if event.task in tasks and event.time >= since and test(event)
        )
        return next(times, None)

    def woke(event: Event) -> bool:
        return event.name == WAKING and trace.role(event.other) == EXECUTOR

    zygote, inits = trace.roles.of(ZYGOTE), trace.roles.threads(init)
    found = last(zygote, is_sent, reaped) or last(inits, is_sent) or last(inits | trace.roles.threads(code), woke)
    if found is None:
        raise Unread
    return found


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
INIT_ENDS = "init: from the end of the code's process to its own"
REAPED = "zygote: until it has waited for init"
ENDS = "together: from the code's answer until its sandbox is reaped"
KEEPS = "executor: processor time until the next call"

BEHIND = (INIT_ENDS, REAPED, ENDS, KEEPS)


def behind(
    trace: Trace, sent: float, gone: float, ended: float, reaped: float, answered: float, after: float
) -> dict[str, float]:
    return {
        INIT_ENDS: ended - gone,
        REAPED: reaped - ended,
        ENDS: reaped - sent,
        KEEPS: trace.processors.time(trace.roles.of(EXECUTOR), answered, after),
    }
