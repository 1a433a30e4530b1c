from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_native import failed, ok, raw

from codemode import CodemodeError, ExecutionFailed, _values
from codemode._artifact import Artifact
from codemode._result import ExecutionError, ExecutionResult, ToolCallRecord, Violation, result_from_raw, trim

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


# Artifacts

DATA = b"a,b\n1,2\n"


def artifact(path: str = "table.csv", *, data: bytes | None = DATA, **changes: Any) -> Artifact:
    digest = hashlib.sha256(DATA).hexdigest()
    return Artifact(
        **{"path": path, "size": len(DATA), "mime_type": "text/csv", "sha256": digest, "data": data, **changes}
    )


def test_the_contents_of_an_artifact(tmp_path: Path) -> None:
    here = tmp_path / "table.csv"
    here.write_bytes(DATA)
    for found in (artifact(), artifact(data=None, host_path=str(here))):
        assert (found.read(), found.text()) == (DATA, "a,b\n1,2\n")
        assert "a,b" not in repr(found)
    assert artifact(data=b"\xe9").text("latin-1") == "é"


def test_contents_that_are_not_here_say_how_to_get_them(tmp_path: Path) -> None:
    other, longer, pipe = tmp_path / "other", tmp_path / "longer", tmp_path / "pipe"
    other.write_bytes(DATA[::-1])
    longer.write_bytes(DATA + b"x")
    os.mkfifo(pipe)
    for host_path in (None, str(tmp_path / "absent"), str(other), str(longer), str(pipe), str(tmp_path)):
        with pytest.raises(CodemodeError, match="pass artifact_bytes=8 or more to execute") as caught:
            artifact(data=None, host_path=host_path).read()
        assert caught.value.code == "artifact_unavailable"


def test_saving_an_artifact(tmp_path: Path) -> None:
    assert artifact().save(tmp_path / "mine.csv") == tmp_path / "mine.csv"
    assert artifact("sub/deep.csv").save(tmp_path) == tmp_path / "sub" / "deep.csv"
    assert artifact("sub/deep.csv").save(f"{tmp_path}/new/") == tmp_path / "new" / "sub" / "deep.csv"
    assert (tmp_path / "new" / "sub" / "deep.csv").read_bytes() == DATA


def test_an_artifact_is_never_saved_outside_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "file").symlink_to(tmp_path / "target")
    (tmp_path / "folder-like").mkdir()
    for path in ("../out", "a/../../out", "/out", f"{tmp_path}/out", "link/out", "file", "../folder-like/out", "a\0b"):
        with pytest.raises(CodemodeError, match="would be written outside of") as caught:
            artifact(path).save(folder)
        assert caught.value.code == "artifact_path"
    assert sorted(item.name for item in tmp_path.rglob("*") if item.is_file()) == []


# Notebooks

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_what_a_notebook_shows() -> None:
    calls = [
        {
            "name": "database",
            "arguments": b'{"query":"SELECT \'<b>\'"}',
            "status": "ok",
            "duration_ms": 2.4,
            "error": "",
        },
        {"name": "rm", "arguments": b'{"path":"/x', "status": "error", "duration_ms": 1.0, "error": "no <such> file"},
    ]
    figure = {
        "path": "plot <1>.png",
        "size": 4,
        "mime_type": "image/png",
        "sha256": "",
        "host_path": "",
        "data": b"\x89PNG",
    }
    drawing = {**figure, "path": "a.svg", "mime_type": "image/svg+xml", "data": b"<svg><script>1</script></svg>"}
    table = {**figure, "path": "t.csv", "mime_type": "text/csv", "host_path": "/srv/out/t.csv", "data": None}
    result = result_from_raw(
        failed(
            "ValueError",
            "no",
            TRACEBACK,
            stdout=b"<b>hello</b>\n",
            stderr=b"careful\n",
            stderr_truncated=True,
            tool_calls=calls,
            artifacts=[figure, drawing, table],
            violations=[{"kind": "unauthorized_command", "detail": "rm -rf <all>", "source": "guest"}],
            warnings=["clamped & done"],
        )
    )
    shown = result._repr_html_().replace("><", ">\n<") + "\n"
    assert shown == (Path(__file__).parent / "notebook.html").read_text()


def test_rows_read_as_a_table() -> None:
    shown = result_from_raw(ok([{"name": "a<", "n": 1}, {"n": None, "more": [1]}]))._repr_html_()
    assert re.findall(r"<t[hd][^>]*>([^<]*)<", shown) == ["name", "n", "more", "a&lt;", "1", "", "", "None", "[1]"]
    for value in ([], [1], [{}], {"a": 1}, "text", None):
        assert "<table>" not in result_from_raw(ok(value))._repr_html_()


class DataFrame:
    """Looks like the one of pandas to whoever shows it."""

    columns = ("a<", "b")

    def __len__(self) -> int:
        return 1000

    def head(self, count: int) -> DataFrame:
        return self

    def itertuples(self, *, index: bool, name: None) -> list[tuple[Any, Any]]:
        return [(HOSTILE, 1)]


@pytest.mark.parametrize(
    "value",
    [
        HOSTILE,
        [HOSTILE],
        {HOSTILE: HOSTILE},
        [{HOSTILE: HOSTILE}],
        DataFrame(),
    ],
    ids=["text", "list", "dict", "rows", "frame"],
)
def test_nothing_that_the_code_wrote_is_markup(value: Any) -> None:
    error = ExecutionError(HOSTILE, HOSTILE, HOSTILE)
    result = ExecutionResult(
        success=False,
        outcome=HOSTILE,
        result=value,
        result_json="…",
        stdout=HOSTILE,
        stderr=HOSTILE,
        error=error,
        tool_calls=(ToolCallRecord(HOSTILE, HOSTILE, 1.0, HOSTILE, json.dumps({HOSTILE: HOSTILE}).encode()),),
        artifacts=tuple(
            artifact(HOSTILE, mime_type=kind, host_path=HOSTILE) for kind in (HOSTILE, "text/html", "image/png")
        ),
        violations=(Violation(HOSTILE, HOSTILE, HOSTILE),),
        warnings=(HOSTILE,),
    )
    tags = Tags()
    tags.feed(result._repr_html_())
    assert tags.names <= {"div", "b", "i", "pre", "table", "tr", "th", "td", "figure", "figcaption", "img"}
    assert tags.attributes <= {"class", "style", "alt", "src"}
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert len(tags.sources) == 1


class Tags(HTMLParser):
    """What a browser would see as markup."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name == "src"]


def test_a_page_has_bounds() -> None:
    many = "&" * 1_000_000
    wide = [{f"column {number}{many}": many for number in range(50)}] * 1000
    image = artifact("big.png", mime_type="image/png", data=b"x" * (9 << 20), size=9 << 20)
    record = ToolCallRecord(many, "ok", 1.0, many, json.dumps({"a": many}).encode())
    result = ExecutionResult(
        success=True,
        outcome="ok",
        result=wide,
        result_json="…",
        stdout=many,
        stderr=many,
        error=ExecutionError("E", many, many),
        tool_calls=(record,) * 1000,
        artifacts=(image, artifact(many)) * 500,
        violations=(Violation(many, many, many),) * 1000,
        warnings=(many,) * 1000,
    )
    shown = result._repr_html_()
    assert len(shown) < 4_000_000
    assert "100 of 1000 rows" in shown
    assert "… (1000000 characters)" in shown


def test_odd_values_are_shown_as_far_as_they_can_be() -> None:
    assert "&lt;int&gt;" in ExecutionResult(True, "ok", result=10**5000, result_json="…")._repr_html_()
    ExecutionResult(True, "ok", result="\udc80", result_json="…", stdout="\udc80")._repr_html_().encode()
    assert "<pre" not in result_from_raw(raw())._repr_html_()


def test_a_long_error_is_cut_where_the_cause_is_not() -> None:
    shown = ExecutionResult(False, "error", error=ExecutionError("E", "the cause", "frame\n" * 10_000))._repr_html_()
    assert "the cause" in shown
    assert len(shown) < 20_000
