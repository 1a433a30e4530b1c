"""How executions end, and why requests are refused, each with a program for it. `test_outcomes.py` runs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conformance.proofs import ROOT

_TYPES = ROOT / "crates" / "codemode-types" / "src"

How = Literal["runs", "its caller leaves", "its executor stops"]


@dataclass(frozen=True)
class Ending:
    outcome: str
    program: str
    """With the tools `repeat(text)`, which returns it, and `hang()`, which does not return."""
    error_type: str | None
    exit_code: int | None
    policy: Mapping[str, Any] = field(default_factory=dict)
    how: How = "runs"


@dataclass(frozen=True)
class Refusal:
    """Nothing ran."""

    code: str
    outcome: str | None
    provoked: str
    """What somebody does to get it."""
    python: str | None
    """The exception, or `Rejected` for a result with that error; None where the client says it before it asks."""
    retryable: bool
    http: int | None
    """None where HTTP has no way to ask for it."""


ENDINGS: tuple[Ending, ...] = (
    Ending("ok", "2 + 2", None, 0),
    Ending("ok", "import sys\nsys.exit()", None, 0),
    Ending("error", "1 / 0", "ZeroDivisionError", 1),
    Ending("error", "import sys\nsys.exit(3)", "SystemExit", 3),
    Ending("error", "1 +", "SyntaxError", 1),
    Ending("error", "tools['repat'].run(text='x')", "ToolCheckError", 1),
    Ending("killed", "import os\nos.kill(os.getpid(), 9)", "Killed", 137),
    Ending("crashed", "import os\nos.kill(os.getpid(), 11)", "Crashed", 139),
    Ending("crashed", "import ctypes\nctypes.string_at(0)", "Crashed", 139),
    Ending(
        "protocol_error",
        "import os, stat, threading\nfor fd in range(3, 256):\n    try:\n"
        "        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, bytes(4096))\n    except OSError: pass\n"
        "threading.Event().wait()",
        "ProtocolError", 1,
    ),
    Ending("error", "tools['hang'].run()", "ToolTimeout", 1, {"limits.tool_timeout": 0.2}),
    Ending("timeout", "import time\ntime.sleep(600)", "Timeout", 124, {"limits.code_timeout": 0.3}),
    Ending("timeout", "tools['hang'].run()", "Timeout", 124, {"limits.total_timeout": 0.3}),
    Ending(
        "cpu_limit",
        "import threading\ndef spin():\n    while True: pass\n"
        "threading.Thread(target=spin, daemon=True).start()\ntools['hang'].run()",
        "CpuLimitExceeded", 152, {"limits.code_timeout": 0.5},
    ),
    Ending(
        "memory_limit", "len(bytearray(b'x') * (160 << 20))", "MemoryLimitExceeded", 137,
        {"limits.memory_limit": "96Mi"},
    ),
    Ending(
        "disk_limit", "open('/sandbox/big', 'wb').write(b'x' * (8 << 20))", "DiskLimitExceeded", 1,
        {"filesystem.sandbox.max_size": "1Mi"},
    ),
    Ending(
        "process_limit", "import os, signal\nwhile True:\n    if os.fork() == 0: signal.pause()",
        "ProcessLimitExceeded", 1, {"limits.processes": 8},
    ),
    Ending("output_limit", "print('x' * 8192)", "OutputLimitExceeded", 0, {"limits.output_bytes": 4096}),
    Ending("result_too_large", "'x' * 8192", "ResultTooLarge", 137, {"limits.result_bytes": 4096}),
    Ending(
        "tool_call_limit", "for _ in range(9): tools['repeat'].run(text='x')", "ToolCallLimitExceeded", 1,
        {"limits.max_tool_calls": 2},
    ),
    Ending("cancelled", "import threading\nthreading.Event().wait()", "Cancelled", 143, {}, "its caller leaves"),
    Ending(
        "interrupted", "import threading\ntools['begun'].run()\nthreading.Event().wait()", "Interrupted", 143,
        {"drain_timeout": 0.1}, "its executor stops",
    ),
)  # fmt: skip

REFUSALS: tuple[Refusal, ...] = (
    Refusal("invalid_request", "rejected", "a correlation id with a space in it", None, False, 400),
    Refusal("invalid_code", "rejected", "no code at all", "Rejected", False, 422),
    Refusal("code_too_long", "rejected", "a character more than `limits.max_code_length`", "Rejected", False, 422),
    Refusal("policy", "rejected", "a client's policy that is wider than the executor's", "ConfigError", False, None),
    Refusal("unauthenticated", None, "another API key", "AuthenticationError", False, 401),
    Refusal("overloaded", "overloaded", "one more than run and wait", "ExecutorOverloaded", True, 429),
    Refusal(
        "draining", None, "a request to an executor that was told to stop, on a connection from before",
        "ExecutorOverloaded", True, None,
    ),
    Refusal("internal", None, "an audit log that cannot be written any more", "ExecutionFailed", False, 500),
)  # fmt: skip


def outcomes_of_the_product() -> list[str]:
    """The vocabulary is Rust's; nothing of it reaches Python as a list."""
    return _words("outcome.rs")


def refusals_of_the_product() -> list[str]:
    return _words("error.rs")


def _words(file: str) -> list[str]:
    text = (_TYPES / file).read_text().partition("pub const fn as_str(self)")[2].partition("\n    }\n")[0]
    return re.findall(r'=> "(\w+)"', text)
