"""Fork, run, reap of a warm interpreter without any isolation: the floor under an execution of its own process.

The interpreter has imported what Codemode's zygote has (its names come as a third argument), is frozen in the same way
and has run the code before. No socket, no namespace, no wall, and nobody else's answer to wait for.
"""

from __future__ import annotations

import ast
import gc
import importlib
import multiprocessing
import os
import resource
import sys
import time
from contextlib import suppress

import measure
import processes
from measure import Samples, Size

CODE = "2 + 2"


def prepare() -> None:
    for name in sys.argv[3].split(",") if len(sys.argv) > 3 else ():
        with suppress(ImportError):
            importlib.import_module(name)
    sys.stdout.flush()
    evaluated()
    gc.collect()
    gc.freeze()


def evaluated() -> bytes:
    """A program whose last expression is its value, as an execution has it."""
    tree = ast.parse(CODE)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    place = {"__name__": "__main__"}
    exec(compile(tree, "main.py", "exec"), place)
    return repr(eval(compile(ast.Expression(last.value), "main.py", "eval"), place)).encode()


def once() -> None:
    answer, written = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(written, evaluated())
        os._exit(0)
    os.close(written)
    got = os.read(answer, 64)
    os.close(answer)
    _, status = os.waitpid(child, 0)
    assert (got, status) == (b"4", 0)


def run(size: Size) -> Samples:
    prepare()
    measure.warm(once)
    return measure.both_ways(once, size.samples)


def throughput(size: Size) -> Samples:
    """A warm interpreter for each core, each as fast as it can: executions per second, milliseconds of processor time."""
    prepare()
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("fork")
    with context.Pool(cores) as pool:
        # One each: nobody is done before all have begun.
        found = pool.map(worked, [size.seconds] * cores, chunksize=1)
    count = sum(one for one, _, _ in found)
    return {
        "rate": [sum(one / elapsed for one, elapsed, _ in found)],
        "cpu": [sum(used for _, _, used in found) / count * 1000],
    }


def worked(seconds: float) -> tuple[int, float, float]:
    measure.warm(once)
    before, begin = used(), time.perf_counter()
    count = 0
    while time.perf_counter() - begin < seconds:
        once()
        count += 1
    return count, time.perf_counter() - begin, used() - before


def used() -> float:
    return sum(
        found.ru_utime + found.ru_stime
        for found in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def memory(size: Size) -> Samples:
    """Bytes: the private memory of a child that has run the code and waits, and the resident set of its parent."""
    prepare()
    once()
    ready, written = os.pipe()
    stays, stop = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(stop)
        os.write(written, evaluated())
        os.read(stays, 1)
        os._exit(0)
    os.read(ready, 64)
    found: Samples = {"parked": [processes.private(child)], "resident": [processes.status(os.getpid(), "VmRSS")]}
    os.close(stop)
    os.waitpid(child, 0)
    return found


if __name__ == "__main__":
    measure.contest({"run": run, "throughput": throughput, "memory": memory})
