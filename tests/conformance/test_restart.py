"""Two sentences of the documents that no other test shows."""

from __future__ import annotations

import tempfile
from pathlib import Path

from codemode import ClientConfig, Codemode
from conformance.place import Place
from conformance.serving import HERE


def test_a_client_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The executor keeps no state that is missed: the same client goes on with the next one at the same address."""
    with tempfile.TemporaryDirectory(prefix="cm-") as short:
        address = f"unix:{short}/s"
        with Codemode.from_client_config(ClientConfig(executor_url=address)) as codemode:
            seen = []
            for _ in range(2):
                with HERE.serve(tmp_path, "--listen", address):
                    code = "import os\nfound = os.listdir('/sandbox')\nopen('/sandbox/x', 'w').close()\nfound"
                    seen.append(codemode.execute(code).result)
    assert seen == [[], []]


def test_a_result_is_cached_in_the_sandbox(basic: Place) -> None:
    code = """
import json, os
def users():
    if not os.path.exists('/sandbox/users.json'):
        with open('/sandbox/users.json', 'w') as file:
            json.dump(tools['database'].run(query='SELECT * FROM users'), file)
    with open('/sandbox/users.json') as file:
        return json.load(file)
users() == users() == users()
"""
    assert basic.run(code).result is True
    assert len(basic.calls) == 1
