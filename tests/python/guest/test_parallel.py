"""Many calls at once. Answers are held back until all are pending and then come in reverse order."""

from __future__ import annotations

import pytest
from guest.harness import run


def double(n):
    if n < 0:
        raise ValueError(f"negative: {n}")
    return 2 * n


TOOLS = {"double": double}


@pytest.mark.parametrize(
    "code",
    [
        "tools.gather([tools.double.call(n=n) for n in range(5)])",
        "tools.gather(*(tools['double'].call(n) for n in range(5)))",
        "tools.gather(*(tools['double'].arun(n) for n in range(5)))",
        "tools['double'].map([{'n': n} for n in range(5)])",
        "import asyncio\nawait asyncio.gather(*(tools.double.arun(n=n) for n in range(5)))",
        """
import asyncio
async def main():
    tasks = [asyncio.create_task(tools.double.arun(n=n)) for n in range(5)]
    return [await task for task in tasks]
asyncio.run(main())
""",
        """
import asyncio
async def main():
    calls = [asyncio.wait_for(tools.double.arun(n=n), 100) for n in range(5)]
    return sorted([await each for each in asyncio.as_completed(calls)])
result = asyncio.run(main())
""",
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(5) as pool:
    result = list(pool.map(lambda n: tools.double(n=n), range(5)))
""",
    ],
)
def test_in_parallel_and_in_order(code):
    got = run(code, TOOLS, hold=5)
    assert got.error is None, got.error
    assert got.value == [0, 2, 4, 6, 8]


def test_a_single_thread_needs_no_helper():
    got = run("tools.double.map([{'n': n} for n in range(50)])", TOOLS, hold=50)
    assert got.value == [2 * n for n in range(50)]
    assert got.threads == 1


def test_threads_and_coroutines_together():
    got = run(
        """
        import asyncio, threading
        seen = []
        def sync(start):
            for n in range(start, start + 20): seen.append(tools.double(n=n))
        threads = [threading.Thread(target=sync, args=(at * 20,)) for at in range(4)]
        for t in threads: t.start()
        async def many(start):
            return [await tools.double.arun(n=n) for n in range(start, start + 20)]
        rows = await asyncio.gather(*(many(100 + at * 20) for at in range(4)))
        for t in threads: t.join()
        result = [sorted(seen), sorted(n for row in rows for n in row)]
        """,
        TOOLS,
    )
    assert got.error is None, got.error
    assert got.value == [[2 * n for n in range(80)], [2 * n for n in range(100, 180)]]


def test_blocking_call_inside_a_loop():
    got = run(
        """
        import asyncio
        async def main():
            pending = asyncio.ensure_future(tools.double.arun(n=1))
            await asyncio.sleep(0)
            return [tools.double(n=2), await pending]
        result = await main()
        """,
        TOOLS,
        hold=2,
    )
    assert got.value == [4, 2]


def test_failures_in_gather():
    got = run(
        """
        calls = lambda: [tools.double.call(n=n) for n in (1, -1, 2, -2)]
        try: tools.gather(calls())
        except ToolError as e: first = e.message
        mixed = tools.gather(calls(), return_exceptions=True)
        result = [first, [m if isinstance(m, int) else m.message for m in mixed]]
        """,
        TOOLS,
        hold=4,
    )
    assert got.value == ["negative: -1", [2, "negative: -1", 4, "negative: -2"]]


def test_cancelled_call_is_forgotten():
    got = run(
        """
        import asyncio
        task = asyncio.create_task(tools.double.arun(n=1))
        await asyncio.sleep(0)
        task.cancel()
        try: await task
        except asyncio.CancelledError: pass
        result = await tools.double.arun(n=5)
        """,
        TOOLS,
        hold=2,
    )
    assert got.value == 10
    assert len(got.calls) == 2


def test_finished_values_pass():
    got = run(
        """
        import asyncio
        one = tools.double(n=1)
        async def six(): return await 6
        result = [
            await asyncio.gather(one, tools.double.arun(n=2), six(), 5), await asyncio.wait_for(one, 1),
            await asyncio.create_task(7), await asyncio.ensure_future(8), await asyncio.shield(9),
            [await each for each in asyncio.as_completed([10])],
            sorted(t.result() for t in (await asyncio.wait([11, six()]))[0]),
            tools.gather(12, tools.double.call(n=3)), await None, await tools.gather(1),
        ]
        """,
        TOOLS,
    )
    assert got.error is None, got.error["traceback"]
    assert got.value == [[2, 4, 6, 5], 2, 7, 8, 9, [10], [6, 11], [12, 6], None, [1]]


def test_no_asyncio_unless_asked():
    got = run("import sys\nasync def f(): await g()\n['asyncio' in sys.modules, 'subprocess' in sys.modules]")
    assert got.value == [False, False]


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nasync def main(): return await tools.double(n=4)\nasyncio.run(main())",
        "async def gen():\n    yield 1\n    yield 7\n[x async for x in gen()][0] + sum([x async for x in gen()]) - 1",
        "async def f(): return 8\nx = await f()\nx",
        "import asyncio\nawait asyncio.sleep(0)\nresult = 8",
        "from contextlib import asynccontextmanager as a\n@a\nasync def c(): yield 8\nasync with c() as v: result = v",
    ],
)
def test_await_dialects(code):
    got = run(code, TOOLS)
    assert got.error is None, got.error["traceback"]
    assert got.value == 8


def test_error_lines_survive_the_rewriting():
    got = run("async def f():\n    x = 1\n    return await g(\n        x)\n\n\nawait f()\n")
    assert (got.error["error_type"], got.error["line"]) == ("NameError", 3)
    assert "line 7, in <module>\n    await f()" in got.error["traceback"]
