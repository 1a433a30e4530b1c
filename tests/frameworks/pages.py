"""The guides in docs/frameworks do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "frameworks"


def blocks(framework: str) -> list[str]:
    """The Python blocks of its guide."""
    return re.findall(r"```python\n(.*?)```", (FOLDER / f"{framework}.md").read_text(), re.DOTALL)


def run(framework: str, block: str, **names: Any) -> dict[str, Any]:
    """Runs a block that finds these names already there, such as the model; what it defined comes back."""
    namespace = {"__name__": "page", **names}
    exec(compile(block, str(FOLDER / f"{framework}.md"), "exec"), namespace)
    return namespace
