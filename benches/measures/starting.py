"""From the start of `codemode serve` to the first answer, the self-test included; the client is there already."""

from __future__ import annotations

import time

from codemode import ClientConfig, Codemode
from measure import Samples, Size
from measures import serving
from measures.executions import once


def start(size: Size) -> Samples:
    with serving.tcp() as config, Codemode(config) as client:
        once(client)  # everything is imported
    return {"first_answer": [first_answer() for _ in range(size.repeats)]}


def first_answer() -> float:
    begin = time.perf_counter()
    with serving.server() as (port, key):
        config = ClientConfig(executor_url=f"grpc://127.0.0.1:{port}", executor_api_key=key)
        with Codemode(config) as client:
            once(client)
            return (time.perf_counter() - begin) * 1000
