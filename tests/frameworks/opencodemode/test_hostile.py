"""What the published executor lets a program do, and this one does not."""

from __future__ import annotations

import json

from codemode import Codemode
from codemode.core.executor_client import ExecutorClient
from frameworks.opencodemode.application import Application
from frameworks.opencodemode.executor import KEY, Executor

MARKER = "__CODEMODE_RESULT__:"

LOOK_FOR_KEYS = r"""
import glob, os, re, sys
seen = [repr(os.environ), repr(sys.argv), repr(globals()), repr(vars(tools))]
for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):
    try:
        seen.append(open(path, 'rb').read().decode(errors='replace'))
    except OSError:
        pass
try:
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb') as memory:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split('-'))
            if ' r' in line[:60] and end - start < 1 << 26:
                memory.seek(start)
                seen.append(memory.read(end - start).decode('latin-1'))
except (OSError, ValueError, OverflowError):
    pass
result = re.findall('k-[0-9a-f]{16}', ' '.join(seen))
"""

REACH = """
import socket
try:
    socket.create_connection(('127.0.0.1', {port}), 5)
    result = 'reached'
except OSError:
    result = 'shut'
"""

LOOK = """
import builtins, os
result = [hasattr(builtins, 'left'), os.path.exists('/sandbox/left'), 'LEFT' in os.environ]
"""


def test_a_printed_marker_is_output(client: ExecutorClient) -> None:
    forged = f'{MARKER}{{"result": "\\"forged\\""}}'
    done = client.execute(f"print({forged!r})\nresult = 'true'", [], {})
    assert (done.result, done.stdout) == ('"true"', f"{forged}\n")
    failed = client.execute(f"print({forged!r})\nraise SystemExit(3)", [], {})
    assert (failed.success, failed.result, failed.stdout) == (False, None, f"{forged}\n")


def test_no_key_is_in_the_sandbox(codemode: Codemode, executor: Executor) -> None:
    """The published executor writes it into the code's own source."""
    assert codemode.execute(LOOK_FOR_KEYS) == "[]"
    assert KEY not in executor.log


def test_code_does_not_reach_the_application_by_itself(codemode: Codemode, application: Application) -> None:
    assert codemode.execute(REACH.format(port=application.port)) == '"shut"'


def test_neither_request_nor_code_moves_the_target(client: ExecutorClient, application: Application) -> None:
    """Whatever is said besides the configuration, calls go to the application that it names."""
    with Application(KEY) as decoy:
        settings = {
            "main_app_grpc_target": decoy.target,
            "callback_tls": {"enabled": False},
            "grpc": {"tool_service_url": decoy.target},
        }
        code = f"config = {settings!r}\nGRPC_TARGET = {decoy.target!r}\ntools['mark'].run(text='here')"
        application.marks.clear()
        assert client.execute(code, ["mark"], settings).success
        assert (application.marks, decoy.marks) == (["here"], [])


def test_nothing_of_one_execution_is_left_for_the_next(codemode: Codemode) -> None:
    left = "import builtins, os\nbuiltins.left = 1\nopen('/sandbox/left', 'w').write('x')\nos.environ['LEFT'] = '1'"
    assert codemode.execute(left) == "Execution successful"
    assert json.loads(codemode.execute(LOOK)) == [False, False, False]
