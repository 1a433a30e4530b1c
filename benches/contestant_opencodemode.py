"""The published package that Codemode's users know. Its executor is started by hand, as its documentation says, but on
loopback instead of every interface. Prints JSON."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import measure

KEY = "bench-key"
CODE = "result = 2 + 2"
TOOL_CALLS = 100
TOOL_CODE = f"""
import time
samples = []
for number in range({TOOL_CALLS}):
    begin = time.perf_counter()
    tools['echo'].run(value=number)
    samples.append((time.perf_counter() - begin) * 1000)
result = samples
"""


class Echo:
    def run(self, value: Any) -> dict[str, Any]:
        return {"value": value}


def main() -> None:
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
        client = Codemode.from_client_config(config, registry=registry)

        def call() -> None:
            answer = client.execute(CODE)
            assert answer.strip() == "4", answer

        measure.warm(call, 3)
        samples = ast.literal_eval(client.execute(TOOL_CODE))
        measure.report(
            {
                "tcp": {
                    "back_to_back": measure.back_to_back(call, 40),
                    "throughput": {clients: measure.throughput(call, clients) for clients in measure.CLIENTS},
                },
                "tool": measure.summary(samples),
            }
        )
    finally:
        executor.terminate()
        executor.wait(30)
    sys.stdout.flush()
    os._exit(0)  # its tool server runs in a thread that does not end


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
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
