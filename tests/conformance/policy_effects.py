"""What each key of the policy does, shown by an executor that has it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import trustme

from codemode import ExecutionResult, ExecutorOverloaded
from conformance.executors import Executors, Policy
from e2e import processes

MIB = 1 << 20
Effect = Callable[[Executors], None]

# One executor for every limit that does not get in another's way.
BOUNDED: Policy = {
    "limits.code_timeout": 1,
    "limits.tool_timeout": 0.3,
    "limits.total_timeout": 2,
    "limits.max_code_length": 2000,
    "limits.memory_limit": "128Mi",
    "limits.processes": 16,
    "limits.open_files": 64,
    "limits.file_size": "1Mi",
    "limits.output_bytes": "64k",
    "limits.result_bytes": "64k",
    "limits.value_bytes": "64k",
    "limits.max_tool_calls": 8,
    "filesystem.sandbox.max_size": "16Mi",
    "filesystem.outputs.max_size": "8Mi",
    "filesystem.tmp.max_size": "4Mi",
}
COMMANDS: Policy = {"execution.allowed_commands": ["cat", "ls"]}
RUN = "import subprocess\nsubprocess.run(['{}', '/workspace'], capture_output=True).returncode"


def ends(executors: Executors, code: str, outcome: str, error_type: str, key: str) -> ExecutionResult:
    """How code ends under BOUNDED, with an error that names the key."""
    result = executors(BOUNDED).execute(code)
    assert result.error and (result.outcome, result.error.error_type) == (outcome, error_type), str(result)
    assert key in str(result), str(result)
    return result


# --- execution


def allow_direct_execution(executors: Executors) -> None:
    code = "import subprocess\nsubprocess.__name__"
    assert executors({"execution.allow_direct_execution": True}).execute(code).result == "subprocess"
    refused = executors({**COMMANDS, "execution.allow_direct_execution": False}).execute(code)
    assert str(refused).endswith("ModuleNotFoundError: No module named 'subprocess'")


def allowed_commands(executors: Executors) -> None:
    codemode = executors(COMMANDS)
    assert codemode.execute(RUN.format("ls")).result == 0
    assert "unauthorized_command: wc" in str(codemode.execute(RUN.format("wc")))


# --- filesystem


def _folder(executors: Executors) -> Path:
    """One that the code's own user may look into."""
    folder = Path(tempfile.mkdtemp(dir=executors.folder))
    folder.chmod(0o755)
    return folder


def _files(executors: Executors) -> tuple[Policy, Path, Path]:
    """A policy with every key of the folders, and its two folders of the host."""
    workspace, outputs = executors.folder / "workspace", executors.folder / "outputs"
    for folder in (workspace, outputs):
        folder.mkdir(exist_ok=True)
    policy = {
        "filesystem.workspace.mount": str(workspace),
        "filesystem.workspace.readonly": True,
        "filesystem.sandbox.mount": "/sandbox",
        "filesystem.sandbox.readonly": False,
        "filesystem.outputs.mount": str(outputs),
        "filesystem.outputs.readonly": False,
    }
    return policy, workspace, outputs


def workspace_mount(executors: Executors) -> None:
    policy, workspace, _ = _files(executors)
    (workspace / "data.txt").write_text("of the host")
    assert executors(policy).execute("open('/workspace/data.txt').read()").result == "of the host"
    assert executors({}).execute("import os\nos.listdir('/workspace')").result == []


def workspace_readonly(executors: Executors) -> None:
    policy, workspace, _ = _files(executors)
    result = executors(policy).execute("open('/workspace/new', 'w')")
    assert result.error and result.error.error_type in ("OSError", "PermissionError")
    assert not (workspace / "new").exists()
    assert "filesystem.workspace.readonly" in executors.refusal({**policy, "filesystem.workspace.readonly": False})


def sandbox_mount(executors: Executors) -> None:
    codemode = executors(_files(executors)[0])
    assert codemode.execute("open('/sandbox/x', 'w').write('x')").result == 1
    # Each execution has one of its own.
    assert codemode.execute("import os\nos.listdir('/sandbox')").result == []
    assert "filesystem.sandbox.mount" in executors.refusal({"filesystem.sandbox.mount": "/srv"})


def sandbox_readonly(executors: Executors) -> None:
    assert executors(_files(executors)[0]).execute("open('/sandbox/x', 'w').write('x')").result == 1
    assert "writable" in executors.refusal({"filesystem.sandbox.readonly": True})


def outputs_mount(executors: Executors) -> None:
    policy, _, outputs = _files(executors)
    result = executors(policy).execute("open('/outputs/kept', 'w').write('out')")
    assert (outputs / "kept").read_text() == "out" and result.artifacts[0].host_path == str(outputs / "kept")
    (dropped,) = executors({}).execute("open('/outputs/kept', 'w').write('out')").artifacts
    assert dropped.host_path is None


def outputs_readonly(executors: Executors) -> None:
    policy, _, outputs = _files(executors)
    assert executors(policy).execute("open('/outputs/x', 'w').write('x')").result == 1
    assert (outputs / "x").read_text() == "x"
    assert "writable" in executors.refusal({"filesystem.outputs.readonly": True})


def _size_of(folder: str, size: int) -> Effect:
    def effect(executors: Executors) -> None:
        code = f"import os\nspace = os.statvfs('/{folder}')\nspace.f_blocks * space.f_frsize"
        assert executors(BOUNDED).execute(code).result == size

    return effect


# --- network: what leads nowhere, so that nothing leaves this machine; what is reached, `tests/network` shows

RESTRICTED: Policy = {
    "network.mode": "restricted",
    "network.allowed_domains": ["exact.test", "*.within.test"],
    "network.blocked_domains": ["not.within.test"],
    "network.ports": [80],
    "network.idle_timeout": 0.3,
}
ASK = """
import socket
def ask(host):
    with socket.create_connection(('127.0.0.1', 3128), 20) as proxy:
        proxy.sendall(f'GET http://{host}/ HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n'.encode())
        return b''.join(iter(lambda: proxy.recv(65536), b'')).decode()
"""


def network_mode(executors: Executors) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connect = f"import socket\nsocket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 20)\n'reached'"
        assert executors({"network.mode": "all"}).execute(connect).result == "reached"
        for mode in ("none", "restricted"):
            assert not executors({"network.mode": mode}).execute(connect).success


def _refused_for(host: str, key: str) -> Effect:
    def effect(executors: Executors) -> None:
        result = executors(RESTRICTED).execute(f"{ASK}ask({host!r})")
        assert result.result.startswith("HTTP/1.1 403 ") and key in result.result, str(result)

    return effect


def allowed_networks(executors: Executors) -> None:
    """Without it, an address of special use can be reached under no name, and naming it is a mistake."""
    private = {"network.mode": "restricted", "network.allowed_domains": ["10.1.2.3"]}
    assert "network.allowed_networks" in executors.refusal(private)
    assert executors({**private, "network.allowed_networks": ["10.1.0.0/16"]}).execute("1").result == 1


def network_ca_file(executors: Executors) -> None:
    file = _folder(executors) / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    policy = {"network.mode": "restricted", "network.ca_file": str(file)}
    code = "import ssl\nsum('trustme' in str(ca) for ca in ssl.create_default_context().get_ca_certs())"
    assert executors(policy).execute(code).result == 1
    assert executors({"network.mode": "restricted"}).execute(code).result == 0


def idle_timeout(executors: Executors) -> None:
    """A connection that says nothing is closed, long before the default of a minute."""
    code = "import socket\nsocket.create_connection(('127.0.0.1', 3128), 20).recv(1)"
    assert executors(RESTRICTED).execute(code).result == b""


# --- limits


def code_timeout(executors: Executors) -> None:
    ends(executors, "import time\ntime.sleep(600)", "timeout", "Timeout", "limits.code_timeout")


def tool_timeout(executors: Executors) -> None:
    with executors.hanging():
        ends(executors, "tools['hang'].run()", "error", "ToolTimeout", "limits.tool_timeout")


def total_timeout(executors: Executors) -> None:
    """The code's own time stands still while it waits for tools."""
    waiting = "while True:\n    try: tools['hang'].run()\n    except TimeoutError: pass"
    with executors.hanging():
        ends(executors, waiting, "timeout", "Timeout", "limits.total_timeout")


def max_code_length(executors: Executors) -> None:
    assert executors(BOUNDED).execute("1".ljust(2000)).result == 1
    ends(executors, "1".ljust(2001), "rejected", "Rejected", "limits.max_code_length")


def memory_limit(executors: Executors) -> None:
    assert executors(BOUNDED).execute("len(bytearray(b'x') * (64 << 20))").result == 64 * MIB
    code = "len(bytearray(b'x') * (160 << 20))"
    ends(executors, code, "memory_limit", "MemoryLimitExceeded", "limits.memory_limit")


def cpus(executors: Executors) -> None:
    """Less than a third of what `code_timeout` alone would give; it passes while a tool is pending, too."""
    code = """
import threading
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
tools['hang'].run()
"""
    with executors.hanging():
        result = executors({"limits.code_timeout": 1, "limits.cpus": 0.3}).execute(code)
    assert (result.outcome, result.exit_code) == ("cpu_limit", 152) and "limits.cpus" in str(result), str(result)
    assert result.usage.cpu_ms < 700


def limit_of_processes(executors: Executors) -> None:
    code = "import os, signal\nwhile True:\n    if os.fork() == 0: signal.pause()"
    ends(executors, code, "process_limit", "ProcessLimitExceeded", "limits.processes")


def open_files(executors: Executors) -> None:
    fill = "kept = []\ntry:\n    while True: kept.append(open('/dev/null'))\nexcept OSError: pass\nlen(kept) < 64"
    assert executors(BOUNDED).execute(fill).result is True
    endless = "kept = []\nwhile True: kept.append(open('/dev/null'))"
    ends(executors, endless, "error", "OpenFilesLimitExceeded", "limits.open_files")


def file_size(executors: Executors) -> None:
    code = "with open('/sandbox/x', 'wb') as file:\n    for _ in range(8): file.write(b'x' * (256 << 10)); file.flush()"
    assert executors(BOUNDED).execute(code.replace("range(8)", "range(4)")).success
    ends(executors, code, "disk_limit", "DiskLimitExceeded", "limits.file_size")


def output_bytes(executors: Executors) -> None:
    code = "print('x' * (80 << 10))"
    result = ends(executors, code, "output_limit", "OutputLimitExceeded", "limits.output_bytes")
    assert result.stdout_truncated and result.stdout.startswith("x" * (64 << 10))


def result_bytes(executors: Executors) -> None:
    ends(executors, "'x' * (80 << 10)", "result_too_large", "ResultTooLarge", "limits.result_bytes")


def value_bytes(executors: Executors) -> None:
    code = "len(tools['repeat'].run(text='x', times={}))"
    assert executors(BOUNDED).execute(code.format(32 << 10)).result == 32 << 10
    ends(executors, code.format(80 << 10), "error", "ToolError", "limits.value_bytes")


def max_tool_calls(executors: Executors) -> None:
    code = "for _ in range(9): tools['repeat'].run(text='x')"
    result = ends(executors, code, "tool_call_limit", "ToolCallLimitExceeded", "limits.max_tool_calls")
    assert len(result.tool_calls) == 8


# --- isolation


# Shared: none of them gets in another's way.
SPECIAL: Policy = {
    "isolation.minimum": "container",
    "isolation.require": ["seccomp"],
    "isolation.allow_jit": True,
    "guest.preload": ["colorsys"],
}


def minimum(executors: Executors) -> None:
    """Where only the weaker tier holds, it is refused: `tests/docker` shows that."""
    tier = executors(SPECIAL).execute("1").isolation.tier
    assert tier in ("container", "full")
    if tier == "full":
        assert executors({"isolation.minimum": "full"}).execute("1").isolation.tier == "full"
    else:
        assert "isolation.minimum" in executors.refusal({"isolation.minimum": "full"})


def require(executors: Executors) -> None:
    layers = executors(SPECIAL).execute("1").isolation.layers
    assert any(layer.startswith("seccomp") for layer in layers)
    assert "isolation.require" in executors.refusal({"isolation.require": ["moat"]})


def allow_jit(executors: Executors) -> None:
    code = "import mmap\nmmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n'mapped'"
    assert executors(SPECIAL).execute(code).result == "mapped"
    assert "PermissionError" in str(executors({}).execute(code))


def allow_unix_sockets(executors: Executors) -> None:
    folder = _folder(executors)
    mounted = {"filesystem.workspace.mount": str(folder)}
    code = "import socket\nsocket.socket(socket.AF_UNIX).connect('/workspace/s')\n'reached'"
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(".", os.O_RDONLY)
        os.chdir(folder)  # its path may be too long for a socket's name
        try:
            listener.bind("s")
        finally:
            os.fchdir(here)
            os.close(here)
        (folder / "s").chmod(0o777)
        listener.listen()
        assert executors({**mounted, "isolation.allow_unix_sockets": True}).execute(code).result == "reached"
        assert "PermissionError" in str(executors(mounted).execute(code))


def fresh_interpreter(executors: Executors) -> None:
    seeds = [
        {executors(policy).execute("hash('of the seed')").result for _ in range(3)}
        for policy in ({}, {"isolation.fresh_interpreter": True})
    ]
    assert [len(seen) for seen in seeds] == [1, 3]


# --- guest, pool, admission

COLORSYS = "import sys\n'colorsys' in sys.modules"


def interpreter(executors: Executors) -> None:
    folder = _folder(executors) / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    policy = {"guest.interpreter": str(folder / "bin" / "python")}
    assert executors(policy).execute("import sys\nsys.prefix").result == str(folder)


def preload(executors: Executors) -> None:
    assert executors(SPECIAL).execute(COLORSYS).result is True
    assert executors({}).execute(COLORSYS).result is False


def environments(executors: Executors) -> None:
    policy = {"guest.environments": [{"name": "colours", "preload": ["colorsys"]}]}
    client = executors(policy)
    assert client.execute(COLORSYS, environment="colours").result is True
    assert client.execute(COLORSYS).result is False


def environments_memory(executors: Executors) -> None:
    """One that nobody uses stays where it fits."""
    for memory, kept in (("4k", 1), ("1g", 2)):
        policy = {"guest.environments": [{"name": "colours"}], "pool.environments_memory": memory}
        assert executors(policy).execute("1", environment="colours").success
        pid = executors.pid(policy)
        _wait_for(lambda pid=pid, kept=kept: len(processes.children(pid)) == kept)  # type: ignore[misc]


def _parked(pid: int) -> int:
    """Sandboxes of an idle executor: the children of its zygote."""
    return sum(len(processes.children(zygote)) for zygote in processes.children(pid))


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pool_min(executors: Executors) -> None:
    policy = {"pool.min": 3}
    assert executors(policy).execute("1").success
    _wait_for(lambda: _parked(executors.pid(policy)) == 3)


def pool_max(executors: Executors) -> None:
    """More requests at once than are ready make the pool grow, up to this many."""
    for most in (1, 4):
        policy = {"pool.min": 1, "pool.max": most, "max_concurrent_executions": 8}
        together = threading.Barrier(8)
        codemode = executors(policy)

        def meet(codemode=codemode, together=together) -> ExecutionResult:  # type: ignore[no-untyped-def]
            together.wait(60)
            return codemode.execute("1")

        with ThreadPoolExecutor(8) as threads:
            assert all(future.result().success for future in [threads.submit(meet) for _ in range(8)])
        pid = executors.pid(policy)
        _wait_for(lambda pid=pid, most=most: _parked(pid) == most)  # type: ignore[misc]


def _crowd(executors: Executors, policy: Policy, size: int) -> list[str]:
    """How executions end of which each holds its place until every one has been admitted or refused."""
    codemode, refused = executors(policy), threading.Semaphore(0)

    def one() -> str:
        try:
            return codemode.execute("tools['hang'].run()").outcome
        except ExecutorOverloaded as error:
            assert "max_concurrent_executions" in str(error) and error.retryable
            refused.release()
            return "overloaded"

    with executors.hanging(), ThreadPoolExecutor(size) as threads:
        running = [threads.submit(one) for _ in range(size)]
        admitted = policy["max_concurrent_executions"] + policy["queue"]
        for _ in range(size - admitted):
            assert refused.acquire(timeout=60)
        executors.over.set()
        return sorted(future.result() for future in running)


def max_concurrent_executions(executors: Executors) -> None:
    for places in (1, 3):
        policy = {"max_concurrent_executions": places, "queue": 0}
        assert _crowd(executors, policy, 4) == ["ok"] * places + ["overloaded"] * (4 - places)


def queue(executors: Executors) -> None:
    policy = {"max_concurrent_executions": 1, "queue": 2}
    assert _crowd(executors, policy, 5) == ["ok"] * 3 + ["overloaded"] * 2


EFFECTS: dict[str, Effect] = {
    "execution.allow_direct_execution": allow_direct_execution,
    "execution.allowed_commands": allowed_commands,
    "filesystem.workspace.mount": workspace_mount,
    "filesystem.workspace.readonly": workspace_readonly,
    "filesystem.sandbox.mount": sandbox_mount,
    "filesystem.sandbox.readonly": sandbox_readonly,
    "filesystem.outputs.mount": outputs_mount,
    "filesystem.outputs.readonly": outputs_readonly,
    "filesystem.sandbox.max_size": _size_of("sandbox", 16 * MIB),
    "filesystem.outputs.max_size": _size_of("outputs", 8 * MIB),
    "filesystem.tmp.max_size": _size_of("tmp", 4 * MIB),
    "limits.code_timeout": code_timeout,
    "limits.tool_timeout": tool_timeout,
    "limits.total_timeout": total_timeout,
    "limits.max_code_length": max_code_length,
    "limits.memory_limit": memory_limit,
    "limits.processes": limit_of_processes,
    "limits.open_files": open_files,
    "limits.file_size": file_size,
    "limits.output_bytes": output_bytes,
    "limits.result_bytes": result_bytes,
    "limits.value_bytes": value_bytes,
    "limits.max_tool_calls": max_tool_calls,
    "limits.cpus": cpus,
    "network.allowed_domains": _refused_for("other.test", "network.allowed_domains"),
    "network.blocked_domains": _refused_for("not.within.test", "network.blocked_domains"),
    "network.ports": _refused_for("exact.test:8080", "network.ports"),
    "network.idle_timeout": idle_timeout,
    "network.mode": network_mode,
    "network.allowed_networks": allowed_networks,
    "network.ca_file": network_ca_file,
    "isolation.minimum": minimum,
    "isolation.require": require,
    "isolation.allow_jit": allow_jit,
    "guest.preload": preload,
    "isolation.allow_unix_sockets": allow_unix_sockets,
    "isolation.fresh_interpreter": fresh_interpreter,
    "guest.interpreter": interpreter,
    "guest.environments": environments,
    "pool.environments_memory": environments_memory,
    "pool.min": pool_min,
    "pool.max": pool_max,
    "max_concurrent_executions": max_concurrent_executions,
    "queue": queue,
}
