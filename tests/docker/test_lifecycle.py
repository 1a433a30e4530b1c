"""From healthy to stopped, as an engine sees it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from docker.conftest import Folders, Served, Started, client
from docker.container import docker
from e2e import processes


def test_the_health_check_fails_where_nobody_serves(served: Served) -> None:
    asked = served.container.exec("codemode", "health", "--url", "http://127.0.0.1:9")
    assert asked.returncode == 1 and asked.stderr.count("\n") == 1, asked.stderr


def test_stop_lets_what_runs_end(start: Started) -> None:
    container = start()
    reached, released = threading.Event(), threading.Event()

    def gate() -> str:
        reached.set()
        assert released.wait(60)
        return "through"

    with ThreadPoolExecutor() as pool, client(container, gate=gate) as codemode:
        running = pool.submit(codemode.execute, "tools['gate'].run()")
        assert reached.wait(60)
        stopping = pool.submit(container.stop)
        container.wait_for_log("stopping;")
        released.set()
        assert running.result(60).result == "through"
        assert stopping.result(60) == 0
    assert container.logs().rstrip().endswith("stopped")


def test_the_configuration_can_be_mounted_over(start: Started, folders: Folders) -> None:
    config = folders.workspace.parent / "codemode.yaml"
    config.write_text(
        "host: 0.0.0.0\nfilesystem: {workspace: {mount: /workspace}}\nexecution: {allowed_commands: [cat]}\n"
    )
    container = start(config=config)
    with client(container) as codemode:
        run = "import subprocess\nsubprocess.run([{!r}, '/workspace/data.txt'], capture_output=True).stdout"
        assert codemode.execute(run.format("cat")).result == b"one\ntwo\nthree\n"
        assert "unauthorized_command: grep" in str(codemode.execute(run.format("grep")))


def test_a_killed_container_leaves_no_process(start: Started) -> None:
    container = start()
    everything = processes.descendants(container.pid)
    assert everything
    docker("kill", container.name)
    assert processes.left_after(everything, 10) == []
