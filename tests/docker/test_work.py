"""The client on the host drives the container: once through the gateway's port, once through a Unix socket."""

from __future__ import annotations

import json

import pytest

from codemode import AuthenticationError
from demo.tools import Alerting, Database
from docker.conftest import HYBRID, Served, client


def test_the_tier_is_the_one_that_is_promised(served: Served) -> None:
    report = json.loads(served.container.exec("codemode", "doctor", "--json").stdout)
    assert (report["tier"], report["rootless"]) == (served.setup.tier, served.setup.uid != 0), report
    with client(served.container) as codemode:
        result = codemode.execute("import os\nos.getuid()")
    assert result.isolation and result.isolation.tier == served.setup.tier
    assert result.result not in (0, served.setup.uid)


def test_the_hybrid_example_with_its_tools_on_the_host(served: Served) -> None:
    database, alerting = Database(served.demo.database), Alerting(served.demo.outbox)
    with client(served.container, database=database, alerting=alerting) as codemode:
        result = codemode.execute(HYBRID.code)
    assert result.success, str(result)
    lines = (served.demo.workspace("hybrid") / "app.log").read_text().splitlines()
    # The program splits text that ends with a line feed, so it counts one more than there are lines.
    errors = sum("error" in line.lower() for line in lines) + 1
    assert result.result == f"Report generated: {errors} errors found"
    assert [(call.name, call.status) for call in result.tool_calls] == [("database", "ok"), ("alerting", "ok")]
    alert = json.loads(served.demo.outbox.read_text().splitlines()[-1])
    assert alert["message"] == f"High error rate detected: {errors} errors in last hour"


def test_files_arrive_on_the_host_as_the_folder_owner_s(served: Served) -> None:
    with client(served.container) as codemode:
        code = "import os\nos.makedirs('/outputs/a/b')\nopen('/outputs/a/b/report.txt', 'w').write('42')"
        result = codemode.execute(code)
    assert result.success and [file.path for file in result.artifacts] == ["a/b/report.txt"], str(result)
    file = served.demo.outputs / "a" / "b" / "report.txt"
    assert file.read_text() == "42"
    for path in (file, file.parent, file.parent.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == served.setup.owner, path


def test_the_workspace_can_be_read_and_not_written(served: Served) -> None:
    with client(served.container) as codemode:
        result = codemode.execute("open('/workspace/app.log', 'a')")
        assert result.error and result.error.error_type in ("PermissionError", "OSError"), str(result)
        code = "import subprocess\nsubprocess.run(['wc', '-l', '/workspace/app.log'], capture_output=True).stdout"
        result = codemode.execute(code)
    assert result.result == b"120000 /workspace/app.log\n", str(result)


def test_an_unlisted_command_and_a_foreign_path_are_refused(served: Served) -> None:
    with client(served.container) as codemode:
        result = codemode.execute("import subprocess\nsubprocess.run(['rm', '-rf', '/'])")
        assert result.error and "unauthorized_command: rm" in result.error.message, str(result)
        result = codemode.execute("open('/etc/codemode/codemode.yaml')")
        assert result.error and "unauthorized_path: /etc/codemode/codemode.yaml" in result.error.message, str(result)


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_wrong_key_is_refused(served: Served, key: str | None) -> None:
    with client(served.container, key) as codemode, pytest.raises(AuthenticationError):
        codemode.execute("1")


def test_the_health_check_succeeds(served: Served) -> None:
    """The last of this file: by now the engine has asked."""
    served.container.wait_until_healthy()
    assert served.container.health()["Log"][-1]["Output"].startswith("serving: ")
