"""What the kernel alone takes for what others do with more: messages and bytes between two processes on a Unix socket,
threads that sleep. No protocol and no isolation."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import measure
from measure import Samples, Size
from programs import SLOW_SECONDS

# About as long as a call of a tool with one number.
MESSAGE = bytes(64)
PIECE = 1 << 20


@contextmanager
def process(work: Callable[[socket.socket], None], core: int | None = None) -> Iterator[socket.socket]:
    """The other end of a socket of one that does the work, on that core."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        if core is not None:
            os.sched_setaffinity(0, {core})
        work(theirs)
        os._exit(0)
    theirs.close()
    with ours:
        yield ours
    os.waitpid(child, 0)


def round_trip(size: Size) -> Samples:
    """To another process; and by way of one to a third, as the call of a tool goes. Neighbours on cores of their own:
    left to itself, the kernel puts them on one core or on two, as the moment has it, and the figure is one of two that
    differ several times."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})

    def answer(other: socket.socket) -> None:
        while message := other.recv(len(MESSAGE)):
            other.sendall(message)

    def relay(other: socket.socket) -> None:
        with process(answer, cores[0]) as third:
            while message := other.recv(len(MESSAGE)):
                third.sendall(message)
                other.sendall(third.recv(len(MESSAGE)))

    def measured(work: Callable[[socket.socket], None]) -> list[float]:
        with process(work, cores[-1]) as other:

            def call() -> None:
                other.sendall(MESSAGE)
                assert len(other.recv(len(MESSAGE))) == len(MESSAGE)

            measure.warm(call)
            return measure.back_to_back(call, 20 * size.samples)

    return {"round_trip": measured(answer), "relayed": measured(relay)}


def transfer(size: Size) -> Samples:
    """MiB per second into memory that is there already."""

    def send(other: socket.socket) -> None:
        piece = bytes(PIECE)
        while other.recv(1):
            for _ in range(size.mebibytes):
                other.sendall(piece)

    with process(send) as other:
        room = memoryview(bytearray(PIECE))

        def call() -> float:
            begin = time.perf_counter()
            other.sendall(b"1")
            left = size.mebibytes * PIECE
            while left:
                left -= other.recv_into(room[: min(left, PIECE)])
            return size.mebibytes / (time.perf_counter() - begin)

        call()
        return {"rate": [call() for _ in range(size.repeats)]}


def parallel(size: Size) -> Samples:
    """Seconds of four threads that sleep as long as the slow tools."""

    def call() -> None:
        threads = [threading.Thread(target=time.sleep, args=(SLOW_SECONDS,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return {"seconds": [measure.timed(call) / 1000]}


if __name__ == "__main__":
    measure.contest({"round_trip": round_trip, "transfer": transfer, "parallel": parallel})
