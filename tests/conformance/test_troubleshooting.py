"""Each documented error is provoked and compared word for word. Its solution stands below it and has its own runner."""

from __future__ import annotations

from pathlib import Path

from codemode import Codemode, ExecutionResult
from conformance import documents
from conformance.documents import Piece
from conformance.place import Place
from conformance.seeds import HYBRID


def said(result: ExecutionResult) -> str:
    """The last line, as Python itself would print it."""
    assert not result.success and result.error
    return str(result).splitlines()[-1]


def solved(folder: Path, block: int) -> Codemode:
    config = folder / "codemode.yaml"
    config.write_text(documents.pieces()[(HYBRID, "block", block)].text)
    return Codemode.local(config)


def test_command_not_allowed(piece: Piece, basic: Place, tmp_path: Path) -> None:
    code = "import subprocess\nopen('/sandbox/x', 'w').close()\nsubprocess.run(['rm', '/sandbox/x'], check=True)"
    result = basic.refused(code)
    assert result.error and result.error.message == piece.text
    assert said(result) == f"PermissionError: {piece.text}"
    with solved(tmp_path, 24) as codemode:
        assert codemode.execute(f"{code}\nimport os\nos.path.exists('/sandbox/x')").result is False


def test_path_access_denied(piece: Piece, basic: Place, tmp_path: Path) -> None:
    result = basic.refused("open('/etc/passwd').read()")
    assert result.error and result.error.message == piece.text
    assert said(result) == f"PermissionError: {piece.text}"
    (tmp_path / "my_files").mkdir()
    (tmp_path / "my_files" / "passwd").write_text("mine\n")
    with solved(tmp_path, 25) as codemode:
        assert codemode.execute("open('/workspace/passwd').read()").result == "mine\n"


def test_no_module_subprocess(piece: Piece, tmp_path: Path) -> None:
    code = "import subprocess\nsubprocess.__name__"
    with Codemode() as codemode:
        assert said(codemode.execute(code)) == piece.text
    with solved(tmp_path, 26) as codemode:
        assert codemode.execute(code).result == "subprocess"


def test_network_access_denied(piece: Piece, basic: Place) -> None:
    """The first solution is a tool. The second is `test_restricted.py::test_an_allowed_domain`."""
    result = basic.refused("import requests\nrequests.get('https://your-domain.com/')")
    assert said(result).startswith(f"{piece.text}: ")
    caught = "import requests\ntry: requests.get('http://your-domain.com/')\nexcept {} as error: result = 'caught'"
    assert basic.run(caught.format(piece.text)).result == "caught"
    assert basic.run("tools['weather'].run(location='NYC')['temperature']").result == 21.5
