"""Codemode itself, from the release wheel. Each measurement is a module of `measures`."""

from __future__ import annotations

import measure
from measures import calls, computing, executions, facts, large, memory, starting, throughput

if __name__ == "__main__":
    measure.contest(
        {
            "facts": facts.facts,
            "embedded": executions.embedded,
            "tcp": executions.tcp,
            "tls": executions.tls,
            "blocks": calls.blocks,
            "tool": calls.sequential,
            "tool_tcp": calls.sequential_tcp,
            "map": calls.mapped,
            "parallel": calls.parallel,
            "throughput": throughput.sixteen,
            "concurrency": throughput.concurrency,
            "burst": throughput.burst,
            "history": throughput.history,
            "preload": computing.preload,
            "compute": computing.compute,
            "parked": memory.parked,
            "idle": memory.idle,
            "output": large.output,
            "blob": large.blob,
            "text": large.text,
            "start": starting.start,
        }
    )
