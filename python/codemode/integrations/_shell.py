"""Runs in the sandbox, sent there as text: files are unpacked, commands and transfers done, and the files packed again.

Every execution has a fresh sandbox, so what shall outlive one travels with the next. The application keeps the archive
and never opens it. Only the standard library of CPython 3.10 is there.
"""

from __future__ import annotations

import contextlib
import gzip  # noqa: F401 - tarfile would import it later, when a file of the agent's may have its name
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from typing import Any

# What is kept from one execution to the next.
KEPT = ("/sandbox", "/tmp")
# What the file operations of deepagents are written in.
COMMANDS = ("sh", "python3", "grep", "head", "rm")
TIMED_OUT = 124
# Bytes: of what a command printed (the file operations print a page of a file), and of what is kept or fetched.
PRINTED, CARRIED = 4 << 20, 8 << 20


def main(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: the archive, and a command or files. The answer has the new archive: None where it is too large."""
    if given["files"]:
        with tarfile.open(fileobj=io.BytesIO(given["files"])) as archive:
            archive.extraction_filter = lambda member, _path: member  # whoever made it could do the same here
            archive.extractall("/")
    ran = (
        run(given["command"], given["timeout"])
        if "command" in given
        else {"output": "", "exit_code": 0, "truncated": False}
    )
    answer = {"missing": [name for name in COMMANDS if shutil.which(name) is None], **ran}
    answer["uploaded"] = [attempt(put, at, data) for at, data in given.get("uploads", ())]
    left = [CARRIED]
    answer["downloaded"] = [attempt(get, at, left) for at in given.get("downloads", ())]
    files = packed()
    answer["files"] = files if len(files) <= CARRIED else None
    return answer


def run(command: str, timeout: float | None) -> dict[str, Any]:
    # Into a file: what the command leaves running would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        shell = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/sandbox",
            start_new_session=True,
        )
        note = ""
        try:
            code = shell.wait(timeout)
        except subprocess.TimeoutExpired:
            code, note = TIMED_OUT, f"\n[The command was ended after {timeout} s.]"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        size = output.seek(0, os.SEEK_END)
        output.seek(0)
        text = output.read(PRINTED).decode("utf-8", "replace")
    return {"exit_code": code if code >= 0 else 128 - code, "output": text + note, "truncated": size > PRINTED}


def attempt(work: Callable[..., Any], *arguments: Any) -> tuple[Any, str | None]:
    """What came of it, and deepagents' word for what went wrong."""
    try:
        return work(*arguments), None
    except FileNotFoundError:
        return None, "file_not_found"
    except IsADirectoryError:
        return None, "is_directory"
    except OverflowError as error:
        return None, str(error)
    except ValueError:
        return None, "invalid_path"
    except OSError:
        return None, "permission_denied"


def put(path: str, data: bytes) -> None:
    if not os.path.isabs(path):
        raise ValueError(path)
    if not os.path.realpath(path).startswith(tuple(f"{root}/" for root in KEPT)):
        raise PermissionError(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def get(path: str, left: list[int]) -> bytes:
    if not os.path.isabs(path):
        raise ValueError(path)
    with open(path, "rb") as file:
        data = file.read(left[0] + 1)
    if len(data) > left[0]:
        raise OverflowError(f"larger than the {CARRIED >> 20} MiB that one transfer can have")
    left[0] -= len(data)
    return data


def packed() -> bytes:
    """The code's own files, folders and links; what cannot be read, and what is none of them, stays behind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for root in KEPT:
            for folder, folders, files in os.walk(root):
                # Not the interpreter's, which may be mounted below /tmp.
                folders[:] = [name for name in folders if own(os.path.join(folder, name), root)]
                for path in (os.path.join(folder, name) for name in (*folders, *files)):
                    with contextlib.suppress(OSError):
                        if os.path.islink(path) or os.path.isfile(path) or os.path.isdir(path):
                            archive.add(path, recursive=False)
    return buffer.getvalue()


def own(path: str, root: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:  # gone meanwhile
        return False
    return found.st_uid == os.getuid() and found.st_dev == os.lstat(root).st_dev
