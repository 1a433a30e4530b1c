"""What the README prints works as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.test_first_use import python

README = Path(__file__).parents[3] / "README.md"


def test_the_python_examples(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 4
    local = [block for block in blocks if "executor_url" not in block]
    assert len(local) == 3
    for folder in ("project_files", "outputs"):
        (tmp_path / folder).mkdir()
    ending = "\nassert codemode.execute(\"import subprocess; subprocess.run(['grep', '-V'])\").success\n"
    told = python(f"import os; os.chdir({str(tmp_path)!r})\n" + "\n".join(local) + ending)
    assert told.startswith("4\nOslo\n(ToolCallRecord(name='weather'")
