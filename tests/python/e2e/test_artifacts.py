"""What the code leaves in /outputs, with its contents."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from codemode import Codemode, CodemodeError, ConfigError
from e2e.conftest import Local

# A picture of one pixel.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAMBAQDJ/pLvAAAAAElFTkSuQmCC")
WRITES = f"""
import os
os.makedirs('/outputs/sub', exist_ok=True)
open('/outputs/report.txt', 'w').write('caf\\u00e9')
open('/outputs/sub/plot.png', 'wb').write({PNG!r})
open('/outputs/<b>.svg', 'w').write('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
None
"""


def by_path(result: Any) -> dict[str, Any]:
    assert result.success, str(result)
    return {artifact.path: artifact for artifact in result.artifacts}


def test_contents_come_with_the_result(codemode: Codemode, tmp_path: Path) -> None:
    found = by_path(codemode.execute(WRITES))
    assert set(found) == {"report.txt", "sub/plot.png", "<b>.svg"}
    assert (found["report.txt"].text(), found["sub/plot.png"].read()) == ("café", PNG)
    saved = {artifact.save(tmp_path) for artifact in found.values()}
    assert saved == {tmp_path / "report.txt", tmp_path / "sub" / "plot.png", tmp_path / "<b>.svg"}
    assert (tmp_path / "sub" / "plot.png").read_bytes() == PNG


def test_no_more_contents_than_were_asked_for(codemode: Codemode) -> None:
    few = by_path(codemode.execute(WRITES, artifact_bytes=10))
    assert {path for path, artifact in few.items() if artifact.data is not None} == {"report.txt"}
    with pytest.raises(CodemodeError, match=f"pass artifact_bytes={len(PNG)} or more to execute"):
        few["sub/plot.png"].read()
    assert all(artifact.data is None for artifact in by_path(codemode.execute(WRITES, artifact_bytes=0)).values())
    for wrong in (-1, True, "16Mi", 1.5):
        with pytest.raises(ConfigError, match="artifact_bytes must be a number of bytes, 0 or more"):
            codemode.execute("1", artifact_bytes=wrong)  # type: ignore[arg-type]
    assert by_path(codemode.execute(WRITES, artifact_bytes=2**80))["report.txt"].text() == "café"


def test_contents_in_a_folder_of_the_host(local: Local, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    folder.mkdir()
    client = local({"filesystem": {"outputs": {"mount": str(folder)}}})
    found = by_path(client.execute(WRITES, artifact_bytes=0))["report.txt"]
    assert (found.data, found.text()) == (None, "café")
    Path(found.host_path).write_text("changed since")
    with pytest.raises(CodemodeError, match="did not come with the result"):
        found.read()


def test_a_notebook_shows_the_pictures(codemode: Codemode) -> None:
    shown = codemode.execute("print('<script>alert(2)</script>')\n" + WRITES)._repr_html_()
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in shown
    assert "data:image/svg+xml;base64," in shown
    assert "report.txt" in shown
    assert "<script" not in shown and "<svg" not in shown and "<b>.svg" not in shown
