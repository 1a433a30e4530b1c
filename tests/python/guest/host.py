"""The child of a guest test: the runtime, loaded as the native side loads it, on a bridge over a socket.

Run as `python -I host.py FD`; speaks one JSON object per line with `harness.run` in the parent.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import socket
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PY = ROOT / "crates/codemode-guest/py"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_runtime():
    package = load("_codemode", PY / "__init__.py")
    package.__path__ = []  # nothing is found on disk: the list of modules has to be complete
    for name, path in package.MODULES:
        module = load(name, ROOT / path if "/" in path else PY / path)
        setattr(package, name.partition(".")[2], module)


class SocketBridge:
    def __init__(self, sock):
        self._reader = sock.makefile("rb")
        self._sock = sock
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._calls = 0
        self._pid = os.getpid()
        self._start = self._receive()
        self.roots = self._start.pop("roots")

    def _send(self, **message):
        self._sock.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self):
        line = self._reader.readline()
        if not line:
            raise EOFError("parent is gone")
        return json.loads(line)

    def start(self):
        start = self._start
        for key in ("context", "config", "variables"):
            start[key] = start[key].encode()
        for tool in start["tools"]:
            for key in ("input_schema", "output_schema"):
                tool[key] = tool[key] and tool[key].encode()
        return start

    def send_call(self, name, arguments):
        if os.getpid() != self._pid:
            raise ChildProcessError
        with self._lock:
            self._calls += 1
            self._send(call=self._calls, name=name, arguments=arguments.decode())
            return self._calls

    def recv(self):
        assert self._reading.acquire(blocking=False), "two threads read at once"
        try:
            answer = self._receive()
        finally:
            self._reading.release()
        return answer["call"], answer["ok"], answer["payload"].encode()

    def finish(self, kind, exit_code, result, error, warnings, variables):
        threads = threading.active_count()
        encoded = None if result is None else base64.b64encode(result).decode()
        self._send(kind=kind, exit_code=exit_code, result=encoded, error=error, warnings=warnings, threads=threads)

    def violation(self, kind, detail):
        with self._lock:
            self._send(violation=[kind, detail])


if __name__ == "__main__":
    load_runtime()
    from _codemode import runner

    runner.warm(load("warm_guest", ROOT / "benches/warm_guest.py").Bridge)
    os._exit(runner.main(SocketBridge(socket.socket(fileno=int(sys.argv[1])))))
