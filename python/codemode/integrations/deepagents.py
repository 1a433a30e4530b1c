"""Codemode as the sandbox of deepagents: `create_deep_agent(backend=CodemodeSandbox(codemode))`. Importing this needs
deepagents.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemode._errors import ConfigError
from codemode.integrations import _shell
from codemode.integrations._core import Answer, CodeTool, has, needs

with needs("deepagents", "deepagents"):
    from deepagents.backends.protocol import (  # type: ignore[import-not-found,unused-ignore]
        ExecuteResponse,
        FileDownloadResponse,
        FileUploadResponse,
    )
    from deepagents.backends.sandbox import BaseSandbox  # type: ignore[import-not-found,unused-ignore]

    has(BaseSandbox, "execute", "upload_files", "download_files", "id", "aexecute")

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from codemode._client import Codemode
    from codemode.integrations._core import CodeToolOptions

_PROGRAM = f"{Path(_shell.__file__).read_text()}\n\nresult = main(given)\n"
_ANSWERED = {"missing", "output", "exit_code", "truncated", "uploaded", "downloaded", "files"}
_AS_BEFORE = "The files are as they were before."
_TOO_MUCH = f"/sandbox and /tmp have more than {_shell.CARRIED >> 20} MiB, packed. {_AS_BEFORE}"


class CodemodeSandbox(BaseSandbox):  # type: ignore[misc,unused-ignore]
    """Commands and files of an agent. Each command runs in a fresh sandbox, one at a time; what is in /sandbox and
    /tmp goes along from one to the next. Options are those of `Codemode.execute`, and `on_result`.
    """

    def __init__(self, client: Codemode, **options: Unpack[CodeToolOptions]) -> None:
        self._tool = CodeTool(client, (), options)
        self._id = f"codemode-{uuid.uuid4()}"
        self._files = b""
        self._lock = threading.Lock()
        done, answer = self._run()
        if done is None:
            error = answer.result and answer.result.error
            raise _lacking(error.message if error else answer.text)
        if done["missing"]:
            raise _lacking(f"the executor does not allow {', '.join(done['missing'])}")

    @property
    def id(self) -> str:
        return self._id

    def execute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:
        done, answer = self._run(command=command, timeout=timeout or None)
        if done is None:
            result = answer.result
            text = f"{result.error}\n{_AS_BEFORE}" if result else answer.text
            return ExecuteResponse(output=text, exit_code=result.exit_code if result else None)
        output = done["output"] if done["files"] is not None else f"{done['output']}\n[{_TOO_MUCH}]"
        return ExecuteResponse(output=output, exit_code=done["exit_code"], truncated=done["truncated"])

    def upload_files(self, files: list[tuple[str, bytes]]) -> list[FileUploadResponse]:
        done, answer = self._run(uploads=files)
        lost = answer.text if done is None else _TOO_MUCH if done["files"] is None else None
        errors = [lost] * len(files) if done is None or lost else [error for _, error in done["uploaded"]]
        return [FileUploadResponse(path=path, error=error) for (path, _), error in zip(files, errors, strict=True)]

    def download_files(self, paths: list[str]) -> list[FileDownloadResponse]:
        done, answer = self._run(downloads=paths)
        found = done["downloaded"] if done else [(None, answer.text)] * len(paths)
        return [
            FileDownloadResponse(path=path, content=content, error=error)
            for path, (content, error) in zip(paths, found, strict=True)
        ]

    def _run(self, **given: Any) -> tuple[dict[str, Any] | None, Answer]:
        """What the program made of it, None where it did not come so far; then nothing is changed."""
        with self._lock:
            answer = self._tool.run(_PROGRAM, variables={"given": {"files": self._files, **given}})
            done = answer.result.result if answer.succeeded and answer.result else None
            if not isinstance(done, dict) or not done.keys() >= _ANSWERED:  # the sandbox may answer what it likes
                return None, answer
            if isinstance(done["files"], bytes):
                self._files = done["files"]
            return done, answer


def _lacking(problem: str) -> ConfigError:
    needed = ", ".join(_shell.COMMANDS)
    return ConfigError(f"deepagents needs the commands {needed} (execution.allowed_commands); {problem}")
