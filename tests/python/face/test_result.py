from __future__ import annotations

import pickle
from typing import Any

import pytest
from fake_native import failed, ok, raw

from codemode import ExecutionFailed, _values
from codemode._result import ExecutionResult, result_from_raw, trim

TRACEBACK = """\
Traceback (most recent call last):
  File "<code>", line 3, in <module>
    f()
  File "<code>", line 2, in f
    return 1 / 0
ZeroDivisionError: division by zero
"""


@pytest.mark.parametrize(
    ("value", "text"),
    [(4, "4"), ("four", "four"), ([1, "a"], "[1, 'a']"), (2**70, str(2**70)), (None, "None"), ("", "")],
)
def test_str_is_the_results_text(value: Any, text: str) -> None:
    result = result_from_raw(ok(value))
    assert (str(result), result.result) == (text, value)


def test_code_that_only_prints_reads_as_its_output() -> None:
    assert str(result_from_raw(raw(stdout=b"hello\nworld\n"))) == "hello\nworld"


def test_a_failure_reads_as_its_traceback() -> None:
    result = result_from_raw(failed("ZeroDivisionError", "division by zero", TRACEBACK))
    assert str(result) == TRACEBACK.rstrip()
    assert not result.success


def test_a_failure_tells_what_ran_before_it() -> None:
    calls = [
        {"name": "database", "arguments": b'{"query":"x"}', "status": "ok", "duration_ms": 2.0, "error": ""},
        {
            "name": "alerting",
            "arguments": b'{"message":"' + b"x" * 90,
            "status": "error",
            "duration_ms": 1.0,
            "error": "no",
        },
    ]
    result = result_from_raw(failed("Timeout", "the code ran longer than 30 s", outcome="timeout", tool_calls=calls))
    assert str(result) == (
        "Timeout: the code ran longer than 30 s\n"
        "Tool calls that already ran (running the code again repeats them): database (ok), alerting (error)"
    )
    assert result.tool_calls[0].arguments == {"query": "x"}
    assert result.tool_calls[0].error is None
    # A record that was cut on its way is shown as the text it is.
    assert result.tool_calls[1].arguments.startswith('{"message":"xxx')


def test_every_field_is_carried() -> None:
    violation = {"kind": "unauthorized_command", "detail": "rm", "source": "guest"}
    artifact = {"path": "a.txt", "size": 1, "mime_type": "text/plain", "sha256": "00", "host_path": ""}
    result = result_from_raw(
        raw(violations=[violation], artifacts=[artifact], warnings=["clamped"], stderr=b"\xff", stdout=b"\xc3\xa9"),
        warnings=["odd member"],
    )
    assert (result.violations[0].detail, result.artifacts[0].host_path) == ("rm", None)
    assert result.warnings == ("clamped", "odd member")
    assert (result.stdout, result.stderr) == ("é", "\ufffd")
    assert (result.usage.peak_memory_bytes, result.isolation.layers) == (1 << 20, ("landlock", "seccomp"))
    assert result.isolation.not_promised == ("x",)


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\xff", b'{"$codemode":"what"}', b"[" * 5000])
def test_a_result_that_cannot_be_read_is_a_protocol_error(rubbish: bytes) -> None:
    result = result_from_raw(raw(result=rubbish))
    assert (result.success, result.outcome, result.result) == (False, "protocol_error", None)
    assert str(result).startswith("ProtocolError: the sandbox sent a result that cannot be read: ")


def test_result_json_is_exact() -> None:
    assert result_from_raw(ok({"n": 2**53 + 1})).result_json == '{"n":9007199254740993}'


def test_check_raises_with_the_result() -> None:
    result = result_from_raw(failed("ValueError", "no"))
    with pytest.raises(ExecutionFailed, match="ValueError: no") as caught:
        result.raise_for_error()
    assert (caught.value.result, caught.value.code, caught.value.execution_id) == (result, "error", "exec-1")
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.result, copied.code) == ("ValueError: no", result, "error")
    assert result_from_raw(ok(1)).raise_for_error().result == 1


def test_traceback_limit() -> None:
    assert trim(TRACEBACK, 2) == TRACEBACK
    assert trim(TRACEBACK, 0) == ""
    assert trim(TRACEBACK, 1) == TRACEBACK.replace('  File "<code>", line 3, in <module>\n    f()\n', "")


def test_results_are_values() -> None:
    one, other = (result_from_raw(ok(_values.decode(b"[1]"))) for _ in range(2))
    assert one == other
    with pytest.raises(AttributeError):
        one.success = False  # type: ignore[misc]
    assert isinstance(pickle.loads(pickle.dumps(one)), ExecutionResult)
