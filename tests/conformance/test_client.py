"""The programs on the application's side. The one that connects does so to an executor on the printed port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codemode import ClientConfig, Codemode, ComponentRegistry
from codemode.tools import Tool
from conformance import documents
from conformance.conftest import BASIC
from conformance.documents import Piece
from conformance.place import fill
from conformance.serving import where_the_port_is_free

KEY = "your-secret-key"
# Behind a printed program, which has made `codemode`.
ASK = """
from codemode import AuthenticationError
with codemode:
    try: print(codemode.execute('2 + 2'))
    except AuthenticationError: print('refused')
"""


def run(text: str, **names: Any) -> dict[str, Any]:
    """The names that a printed program defines."""
    exec(compile(text, "<block>", "exec"), names)
    return names


def test_the_client(piece: Piece, tmp_path: Path) -> None:
    assert f'"{KEY}"' in piece.text
    with where_the_port_is_free(tmp_path) as where, where.serve(tmp_path, CODEMODE_API_KEY=KEY):
        assert where.python(tmp_path, piece.text + ASK) == "4\n"
        assert where.python(tmp_path, piece.text.replace(KEY, "another-key") + ASK) == "refused\n"


def test_the_configuration_of_the_client(piece: Piece, tmp_path: Path) -> None:
    config = run(piece.text)["config"]
    assert isinstance(config, ClientConfig)
    assert (config.executor_url, config.timeout) == ("http://localhost:8001", 30)
    assert (config.tls_enabled, config.tls_cert_path) == (False, None)
    assert config.executor_api_key and config.executor_api_key.get_secret_value() == KEY
    connect = "\nfrom codemode import Codemode\ncodemode = Codemode.from_client_config(config)\n"
    with where_the_port_is_free(tmp_path) as where, where.serve(tmp_path, CODEMODE_API_KEY=KEY):
        assert where.python(tmp_path, piece.text + connect + ASK) == "4\n"


def test_one_file_for_both_sides(tmp_path: Path) -> None:
    """The Basic block is the executor's, and its `url` and `api_key` are those of a client."""
    config = tmp_path / "codemode.yaml"
    config.write_text(documents.pieces()[BASIC].text)
    (tmp_path / "project_files").mkdir()
    fill(tmp_path / "project_files")
    (tmp_path / "outputs").mkdir()
    connect = "from codemode import Codemode\ncodemode = Codemode.from_config('codemode.yaml')\n"
    with (
        where_the_port_is_free(tmp_path, "executor") as where,
        where.serve(tmp_path, "--config", config, CODEMODE_API_KEY=KEY),
    ):
        assert where.python(tmp_path, connect + ASK, CODEMODE_API_KEY=KEY) == "4\n"
        assert where.python(tmp_path, connect + ASK, CODEMODE_API_KEY="another-key") == "refused\n"


def test_a_tool_as_a_class(piece: Piece, tmp_path: Path) -> None:
    """Code reads through it what it cannot reach itself."""
    file = tmp_path / "notes.txt"
    file.write_text("of the application\n")
    tool = run(piece.text)["FileReadTool"]()
    assert isinstance(tool, Tool)
    registry = ComponentRegistry()
    registry.register_tool(tool)
    with Codemode(registry=registry) as codemode:
        result = codemode.execute(f"tools['read_file'].run(path={str(file)!r})")
        assert result.result == "of the application\n", str(result)
        assert [(call.name, call.arguments) for call in result.tool_calls] == [("read_file", {"path": str(file)})]
        assert not codemode.execute(f"open({str(file)!r})").success
        described = codemode.execute("tools['__schema__'].run(name='read_file')").result
        assert described["description"] == "Read contents of a file"
        assert described["input_schema"]["required"] == ["path"]


def test_the_registry(piece: Piece) -> None:
    def shout(text: str) -> str:
        """Says it louder."""
        return text.upper()

    class Whisper(Tool):
        name = "whisper"
        description = "Says it softly"

        def execute(self, text: str) -> str:
            return text.lower()

    for custom, name, said in ((shout, "shout", "HO"), (Whisper(), "whisper", "ho")):
        registry = run(piece.text, my_custom_tool=custom)["registry"]
        assert isinstance(registry, ComponentRegistry) and registry.get_tool(name) is custom
        with Codemode(registry=registry) as codemode:
            assert codemode.execute(f"tools[{name!r}].run(text='Ho')").result == said
