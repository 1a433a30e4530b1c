"""Turns refusals that the kernel would make into the documented texts, before it makes them.

    PermissionError: unauthorized_command: rm
    PermissionError: unauthorized_path: /etc/passwd

Courtesy, never enforcement: user code can get around it and meets the kernel there. A hook can never be removed, so
it is added in the child. It runs for every audited event: one dict look-up, then out.
"""

from __future__ import annotations

import errno
import os
import posixpath
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .channel import Bridge
    from .limits import Met

MAX_REPORTED = 100
_STANDARD_BINS = frozenset(f"{prefix}{name}" for prefix in ("", "/usr", "/usr/local") for name in ("/bin", "/sbin"))
# A library that probes for a file should get the kernel's FileNotFoundError. These modules only pass on what their
# caller asked for, so the caller's caller decides whose wish it was.
_FILE_HELPERS = """_pyio bz2 codecs configparser csv dbm fileinput genericpath glob gzip io json linecache lzma mmap
    ntpath os pathlib pickle posixpath shelve shutil sqlite3 stat tarfile tempfile tokenize zipfile"""
_PROCESS_HELPERS = "asyncio concurrent multiprocessing pty subprocess"
_PASSING_ON = frozenset(f"_codemode {_FILE_HELPERS} {_PROCESS_HELPERS}".split())
_PATH_ARGUMENTS = {
    "open": (0,),
    "os.chmod": (0,),
    "os.link": (0, 1),
    "os.listdir": (0,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.scandir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
}
_COMMAND_EVENTS = ("subprocess.Popen", "os.exec", "os.posix_spawn")


class Courtesy:
    """Before `begin` it refuses nothing: there is no user whose wish it could be."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._filename: str | None = None
        self._namespace: dict[str, Any] = {}
        self._roots = tuple(root.rstrip("/") for root in bridge.roots)
        self._below = tuple(root + "/" for root in self._roots)
        self._commands: frozenset[str] = frozenset()
        self._pid = os.getpid()
        self._reported = 0

    def begin(self, filename: str, namespace: dict[str, Any], commands: Iterable[str]) -> None:
        self._filename = filename
        self._namespace = namespace
        self._commands = frozenset(commands)

    def hook(self, met: Met) -> Callable[[str, tuple[Any, ...]], None]:
        handlers: dict[str, Callable[[tuple[Any, ...]], None]] = {
            event: self._path_handler(indexes) for event, indexes in _PATH_ARGUMENTS.items()
        }
        for event in _COMMAND_EVENTS:
            handlers[event] = lambda args: self._command(args[0])
        handlers["os.system"] = lambda args: self._command("sh")
        met.add_to(handlers)
        look_up = handlers.get

        def hook(event: str, args: tuple[Any, ...]) -> None:
            handler = look_up(event)
            if handler is not None:
                handler(args)

        return hook

    def _path_handler(self, indexes: tuple[int, ...]) -> Callable[[tuple[Any, ...]], None]:
        def handler(args: tuple[Any, ...]) -> None:
            for index in indexes:
                self._path(args[index])

        return handler

    def _path(self, path: Any) -> None:
        if self._filename is None:
            return
        if type(path) is str and path.startswith(self._below) and ".." not in path:
            return
        text = _text(path)
        if text is None or text == "":
            return
        full = posixpath.normpath(text if text.startswith("/") else posixpath.join(_cwd(), text))
        full = "/" + full.lstrip("/")
        if full in self._roots or full.startswith(self._below):
            return
        if full == "/" or any(root.startswith(full + "/") for root in self._roots):
            return  # a directory on the way to a root: it exists in the sandbox, the kernel decides
        if self._wished_by_user():
            self._refuse("unauthorized_path", full)

    def _command(self, command: Any) -> None:
        text = _text(command)
        if not text or self._filename is None:
            return
        directory, name = posixpath.split(text)
        if directory and posixpath.normpath(directory) not in _STANDARD_BINS:
            return  # whatever that is, it is for the kernel to say
        if name and name not in self._commands:
            self._refuse("unauthorized_command", name, report=self._wished_by_user())

    def _refuse(self, kind: str, detail: str, report: bool = True) -> None:
        # A forked process must not write to its parent's socket; a loop must not write for ever.
        if report and os.getpid() == self._pid and self._reported < MAX_REPORTED:
            self._reported += 1
            self._bridge.violation(kind, detail)
        refusal = PermissionError(f"{kind}: {detail}")
        refusal.errno = errno.EACCES
        raise refusal

    def _wished_by_user(self) -> bool:
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_globals is self._namespace or frame.f_code.co_filename == self._filename:
                return True
            if str(frame.f_globals.get("__name__")).partition(".")[0] not in _PASSING_ON:
                return False
            frame = frame.f_back  # type: ignore[assignment]
        return False


def _text(path: Any) -> str | None:
    """None for descriptors and for what is not a path at all."""
    try:
        return os.fsdecode(path)
    except Exception:  # noqa: BLE001 __fspath__ is anybody's code
        return None


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"
