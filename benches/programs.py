"""What several contestants run, word for word. Standard library only."""

from __future__ import annotations

SLOW_SECONDS = 2.0
MAPPED_CALLS = 1000

_CALLS = "for number in range(10):\n    total = total + tools['echo'].run(value=number)"
_CALLS_AT_ONCE = "total = total + sum(tools['echo'].map([{'value': number} for number in range(10)]))"

# Ten blocks, as a model writes them, each with ten calls of a tool: one after the other, and the ten at once.
BLOCKS = "\n".join(["total = 0", *[_CALLS] * 10, "total"])
MAPPED_BLOCKS = "\n".join(["total = 0", *[_CALLS_AT_ONCE] * 10, "total"])
BLOCKS_ANSWER = 10 * sum(range(10))

# `import pandas` and a small frame.
FRAME = """
import pandas
frame = pandas.DataFrame({'key': ['a', 'b', 'a', 'c'], 'value': [1, 2, 3, 4]})
result = int(frame.groupby('key')['value'].sum()['a'])
"""

# Each defines `work`.
COMPUTATIONS = {
    "fib(27)": """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def work():
    assert fib(27) == 196418
""",
    "json": """
import json
rows = [{'id': n, 'name': 'row %d' % n, 'tags': ['a', 'b'], 'value': n / 7} for n in range(5000)]
def work():
    for _ in range(3):
        assert len(json.loads(json.dumps(rows))) == 5000
""",
    "regex": r"""
import re
text = ' '.join('user%d@example%d.org and 12.%d' % (n, n % 7, n) for n in range(12000))
pattern = re.compile(r'(\w+)@(\w+)\.org')
def work():
    assert len(pattern.findall(text)) == 12000
""",
    "sort": """
import random
random.seed(7)
numbers = [random.random() for _ in range(200000)]
def work():
    assert len(sorted(numbers)) == 200000
""",
}
# Behind one of them; the first time is not counted.
TIMES = """
import time
def timed():
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000
result = [timed() for _ in range(6)][1:]
"""


def one_by_one(calls: int) -> str:
    """The milliseconds of each call, by the clock of whoever runs it."""
    return f"""
import time
samples = []
for number in range({calls}):
    begin = time.perf_counter()
    tools['echo'].run(value=number)
    samples.append((time.perf_counter() - begin) * 1000)
result = samples
"""
