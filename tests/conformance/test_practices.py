"""The programs under "Security Features" and "Best Practices". What a comment promises or forbids is tried."""

from __future__ import annotations

from pathlib import Path

from codemode import Codemode
from conformance.documents import Piece
from conformance.place import CONFIG, Place, uncommented

MIB = 1 << 20


def test_an_unauthorized_command(piece: Piece, basic: Place) -> None:
    """It is printed without the import that every block before it begins with."""
    alone = basic.refused(piece.text)
    assert alone.error and (alone.error.error_type, alone.error.line) == ("NameError", 1)
    result = basic.refused(f"import subprocess\n{piece.text}")
    assert result.error and (result.error.error_type, result.error.line) == ("PermissionError", 2)
    assert result.error.message == "unauthorized_command: rm"
    assert [(entry.kind, entry.detail) for entry in result.violations] == [("unauthorized_command", "rm")]
    assert (basic.workspace / "data.txt").read_text() == "one\ntwo\nthree\n"


def test_path_validation(piece: Piece, basic: Place) -> None:
    """The two that are marked as allowed go through, and the third is where it ends."""
    lines = piece.text.splitlines()
    (violated,) = (number for number, line in enumerate(lines, 1) if "# Security violation" in line)
    result = basic.refused(piece.text)
    assert result.error and (result.error.error_type, result.error.line) == ("PermissionError", violated)
    assert result.error.message == "unauthorized_path: /etc/passwd"
    assert [(entry.kind, entry.detail) for entry in result.violations] == [("unauthorized_path", "/etc/passwd")]
    allowed = "\n".join(line for line in lines[: violated - 1])
    question = "(data, open('/sandbox/output.txt').read())"
    assert basic.seen(allowed, question) == ("one\ntwo\nthree\n", "results")


def test_direct_execution_for_file_operations(piece: Piece, basic: Place) -> None:
    """It is printed without `import json`. What is advised against works as well, at the price of a call."""
    alone = basic.refused(piece.text)
    assert alone.error and (alone.error.error_type, alone.error.message) == ("NameError", "name 'json' is not defined")
    with_json = f"import json\n{piece.text}"
    assert basic.seen(with_json, "config") == CONFIG
    assert basic.calls == []
    assert basic.seen(uncommented(with_json, "config ="), "config") == CONFIG
    assert basic.calls == [("file_reader", {"path": "/workspace/config.json"})]


def test_proxied_tools_for_external_resources(piece: Piece, basic: Place) -> None:
    assert basic.seen(piece.text, "weather['temperature']") == 21.5
    assert basic.calls == [("weather", {"location": "NYC", "units": "metric"})]
    result = basic.refused("import requests\n" + uncommented(piece.text, "response ="))
    assert result.error and result.error.error_type.endswith("ConnectionError"), str(result)


def test_validated_paths(piece: Piece, basic: Place) -> None:
    """/tmp is scratch space of the execution here; "may be blocked" is for what lies outside of it."""
    write = "open(output_path, 'w').write('x')"
    assert basic.seen(piece.text, write) == 1
    assert basic.seen(uncommented(piece.text, "output_path ="), write) == 1
    assert not Path("/tmp/results.txt").exists()
    elsewhere = piece.text.replace("/sandbox/results.txt", "/var/results.txt")
    result = basic.refused(f"{elsewhere}\n{write}\n")
    assert result.error and result.error.message == "unauthorized_path: /var/results.txt"


def test_handled_errors(piece: Piece, basic: Place) -> None:
    assert basic.run(piece.text).stdout == "Command failed: \n"
    (basic.workspace / "file.txt").write_text("a PATTERN\n")
    assert basic.seen(piece.text, "[result.stdout, result.returncode]") == ["a PATTERN\n", 0]
    (basic.workspace / "file.txt").unlink()
    assert "/workspace/file.txt: No such file or directory" in basic.run(piece.text).stdout


def test_limited_data_in_memory(piece: Piece, basic: Place, tmp_path: Path) -> None:
    assert basic.seen(piece.text, "list(process_large_file())") == ["ERROR b\n", "ERROR c\n"]
    # Four times the memory, in lines of a mebibyte; it takes no room on the disk.
    with (tmp_path / "large.log").open("wb") as log:
        for number in range(1, 257):
            log.seek(number * MIB - 6)
            log.write(b"ERROR\n")
    policy = {"filesystem": {"workspace": {"mount": str(tmp_path)}}, "limits": {"memory_limit": "64Mi"}}
    with Codemode.local(policy) as client:
        streamed = client.execute(f"{piece.text}\nsum(1 for _ in process_large_file())")
        assert streamed.result == 256, str(streamed)
        whole = client.execute(uncommented(piece.text, "with open('/workspace/large.log', 'r') as f:"))
        assert whole.outcome == "memory_limit", str(whole)
