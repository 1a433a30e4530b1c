"""The published package that Codemode's users know. Its executor is started by hand, as its documentation says, but on
loopback instead of every interface."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import measure
import processes
from measure import Samples, Size
from programs import one_by_one

KEY = "bench-key"
CODE = "result = 2 + 2"
# It is hundreds of times slower: fewer of everything.
RUNS, CALLS, LEVELS, SECONDS = 8, 100, (1, 4, 16), 4.0


class Echo:
    def run(self, value: Any) -> dict[str, Any]:
        return {"value": value}


def run(size: Size) -> Samples:
    def work(client: Any, executor: int) -> Samples:
        def call() -> None:
            answer = client.execute(CODE)
            assert answer.strip() == "4", answer

        measure.warm(call, 3)
        return {
            "back_to_back": measure.back_to_back(call, RUNS),
            "resident": [processes.status(executor, "VmRSS")],
        }

    return served(work)


def concurrency(size: Size) -> Samples:
    def work(client: Any, executor: int) -> Samples:
        def call() -> None:
            assert client.execute(CODE).strip() == "4"

        measure.warm(call, 3)
        return measure.curve(lambda clients: measure.crowd(call, clients, SECONDS), LEVELS)

    return served(work)


def tool(size: Size) -> Samples:
    code = one_by_one(CALLS)
    return served(lambda client, executor: {"round_trip": ast.literal_eval(client.execute(code))})


def served(work: Callable[[Any, int], Samples]) -> Samples:
    """The work, given a client and the executor's process id."""
    from codemode import Codemode
    from codemode.config import ClientConfig
    from codemode.core.registry import ComponentRegistry

    registry = ComponentRegistry()
    registry.register_tool("echo", Echo())
    port, tool_port = free_port(), free_port()
    serve_tools(registry, tool_port)
    executor = subprocess.Popen(
        [sys.executable, __file__, "serve", str(port), str(tool_port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        config = ClientConfig(executor_url=f"http://127.0.0.1:{port}", executor_api_key=KEY)
        return work(Codemode.from_client_config(config, registry=registry), executor.pid)
    finally:
        executor.terminate()
        executor.wait(30)


def serve_tools(registry: Any, port: int) -> None:
    from codemode.grpc import start_tool_service_async

    ready = threading.Event()

    async def run() -> None:
        server = await start_tool_service_async(registry, host="127.0.0.1", port=port, api_key=KEY)
        ready.set()
        await server.wait_for_termination()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    assert ready.wait(30)


def serve(port: int, tool_port: int) -> None:
    os.environ.update(
        CODEMODE_SIDECAR_PORT=str(port),
        CODEMODE_SIDECAR_HOST="127.0.0.1",
        CODEMODE_MAIN_APP_TARGET=f"127.0.0.1:{tool_port}",
        CODEMODE_API_KEY=KEY,
    )
    import grpc

    from codemode.config.sidecar_config import SidecarConfig
    from codemode.executor.service import ExecutorGrpcService
    from codemode.protos import codemode_pb2_grpc

    async def run() -> None:
        server = grpc.aio.server()
        service = ExecutorGrpcService.from_config(SidecarConfig.from_env())
        codemode_pb2_grpc.add_ExecutorServiceServicer_to_server(service, server)
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(run())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the executor did not start")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        measure.contest({"run": run, "concurrency": concurrency, "tool": tool})
        sys.stdout.flush()
        os._exit(0)  # its tool server runs in a thread that does not end
