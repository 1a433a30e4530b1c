"""docs/tools.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.test_first_use import python

PAGE = Path(__file__).parents[3] / "docs" / "tools.md"


def test_each_block_runs_in_its_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 11
    told = python("\n".join(blocks))
    assert "units: expected 'metric' or 'imperial', got str 'kelvin'" in told
    assert "def weather(" in told and "did you mean 'weather'?" in told
    assert told.endswith("code says begin\nexport 0 of 2\nexport 1 of 2\nexport ok\nresult 2\n")
