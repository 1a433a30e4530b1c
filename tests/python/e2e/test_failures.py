"""What bad input gets: the code's own failures."""

from __future__ import annotations

import pytest

from codemode import Codemode
from e2e.conftest import Local


def test_a_syntax_error_shows_line_and_caret_and_runs_nothing(codemode: Codemode) -> None:
    result = codemode.execute("print('ran')\nx = (1,\ny = 2 2\n")
    assert not result.success
    assert result.error and result.error.error_type == "SyntaxError"
    assert result.error.line in (2, 3)
    assert "^" in result.error.traceback
    assert result.stdout == ""
    assert result.exit_code == 1


def test_an_exception_keeps_output_and_shows_user_frames_only(codemode: Codemode) -> None:
    result = codemode.execute("print('before')\n\ndef inner():\n    return 1 / 0\n\ninner()\n")
    assert (result.success, result.outcome, result.exit_code) == (False, "error", 1)
    assert result.stdout == "before\n"
    error = result.error
    assert error and (error.error_type, error.message, error.line) == ("ZeroDivisionError", "division by zero", 4)
    assert "line 6" in error.traceback and "line 4, in inner" in error.traceback
    assert "return 1 / 0" in error.traceback
    assert error.traceback.count("  File ") == 2
    assert "ZeroDivisionError: division by zero" in str(result)


def test_a_chained_exception_shows_both(codemode: Codemode) -> None:
    code = "try:\n    int('x')\nexcept ValueError as error:\n    raise RuntimeError('outer') from error\n"
    error = codemode.execute(code).error
    assert error and error.error_type == "RuntimeError"
    assert "ValueError" in error.traceback and "direct cause" in error.traceback


@pytest.mark.parametrize(
    ("code", "exit_code", "outcome"),
    [
        ("import sys; sys.exit(3)", 3, "error"),
        ("import os; os._exit(3)", 3, None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, None),
    ],
)
def test_ending_by_itself(codemode: Codemode, code: str, exit_code: int, outcome: str | None) -> None:
    result = codemode.execute(f"print('partial', flush=True)\n{code}")
    assert not result.success and result.outcome != "ok"
    assert result.exit_code == exit_code
    assert result.stdout == "partial\n"
    if outcome:
        assert result.outcome == outcome


def test_sys_exit_without_a_code_is_success(codemode: Codemode) -> None:
    result = codemode.execute("import sys\nprint('done')\nsys.exit()")
    assert (result.success, result.exit_code, result.stdout) == (True, 0, "done\n")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("", "empty"),
        ("  \n\t\n", "empty"),
        ("x = 1\0", "NUL"),
        (b"x = '\xff'", "UTF-8"),
    ],
)
def test_code_that_is_none(codemode: Codemode, code: str | bytes, word: str) -> None:
    result = codemode.execute(code)
    assert (result.success, result.outcome, result.exit_code) == (False, "rejected", None)
    assert result.error and result.error.error_type == "Rejected"
    assert word.lower() in result.error.message.lower()


def test_code_over_the_length_limit_is_refused(local: Local) -> None:
    client = local({"limits": {"max_code_length": 100}})
    assert client.execute("1" + " " * 99).success
    result = client.execute("1" + " " * 100)
    assert (result.outcome, result.exit_code) == ("rejected", None)
    assert result.error and "code_too_long" in result.error.message and "100" in result.error.message


def test_code_length_is_counted_in_characters(local: Local) -> None:
    assert local({"limits": {"max_code_length": 100}}).execute("'" + "ü" * 98 + "'").success


def test_a_result_that_cannot_travel_becomes_text_alone(codemode: Codemode) -> None:
    result = codemode.execute("{'typed': 1 << 70, 'odd': object(), 'list': [b'x', None]}")
    assert result.success
    assert result.result["typed"] == 1 << 70
    assert result.result["list"] == [b"x", None]
    assert "object object at" in str(result.result["odd"])
    assert any("odd" in warning for warning in result.warnings)


def test_a_cyclic_result_does_not_hang(codemode: Codemode) -> None:
    result = codemode.execute("x = {'a': 1}; x['self'] = x; x")
    assert result.exit_code is not None
    if result.success:
        assert result.result["a"] == 1 and result.warnings


def test_check_raises_with_the_result_attached(codemode: Codemode) -> None:
    from codemode import ExecutionFailed

    with pytest.raises(ExecutionFailed, match="ZeroDivisionError") as caught:
        codemode.execute("1 / 0", check=True)
    assert caught.value.result is not None and caught.value.result.exit_code == 1


@pytest.mark.parametrize("garbage", ["b'\\xff' * 4096", "bytes(4096)", "b'\\x01\\x00\\x00\\x00\\x7f'"])
def test_a_malformed_frame_fails_that_execution_only(codemode: Codemode, garbage: str) -> None:
    code = f"""
import os, stat, threading
for descriptor in range(3, 256):
    try:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode): os.write(descriptor, {garbage})
    except OSError: pass
threading.Event().wait()
"""
    result = codemode.execute(code, execution_timeout=20)
    assert (result.success, result.outcome) == (False, "protocol_error"), str(result)
    assert result.error and result.error.error_type == "ProtocolError"
    assert codemode.execute("2 + 2").result == 4


def test_code_that_closes_its_channel_does_not_hang(codemode: Codemode) -> None:
    code = "import os\nprint('partial', flush=True)\nos.closerange(3, 256)\n7"
    result = codemode.execute(code, execution_timeout=20)
    assert (result.success, result.stdout) == (False, "partial\n"), str(result)
    assert result.outcome in ("protocol_error", "crashed", "error") and result.duration_ms < 10_000
    assert codemode.execute("2 + 2").result == 4
