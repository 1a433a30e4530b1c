"""What holds a sandbox on this machine, and what its interpreter has imported: nothing that is measured."""

from __future__ import annotations

from typing import Any

from codemode import Codemode
from measure import Size


def facts(size: Size) -> dict[str, Any]:
    with Codemode() as client:
        answer = client.execute(
            "import sys\n[name for name in sys.modules if name in sys.stdlib_module_names]", check=True
        )
        held = answer.isolation
        return {
            "tier": held.tier,
            "layers": list(held.layers),
            "substitutes": list(held.substitutes),
            "modules": sorted(answer.result),
        }
