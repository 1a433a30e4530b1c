"""What the annotations say is there at run time, and what is there is annotated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ALLOWED = Path(__file__).with_name("stubtest.txt")


def test_the_package_is_as_its_annotations_say(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "codemode", "--allowlist", str(ALLOWED)]
    environment = {**os.environ, "MYPY_CACHE_DIR": str(tmp_path)}
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert told.returncode == 0, told.stdout + told.stderr
