"""A file that the code left behind."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from codemode._errors import CodemodeError


@dataclass(frozen=True)
class Artifact:
    """A file that the code left in /outputs. `path` is relative to it; `host_path` is None where there is no folder."""

    path: str
    size: int
    mime_type: str
    sha256: str
    host_path: str | None = None
    data: bytes | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """The contents: as they came with the result, or from `host_path` if that file is here and unchanged.

        `CodemodeError` with the code `artifact_unavailable` if they are in neither place.
        """
        if self.data is not None:
            return self.data
        if (found := self._on_this_machine()) is not None:
            return found
        raise CodemodeError(
            f"the contents of artifact {self.path!r} ({self.size} bytes) did not come with the result; pass "
            f"artifact_bytes={max(self.size, 1)} or more to execute() (limits.result_bytes is the executor's most), "
            "or give the executor a folder for them (filesystem.outputs.mount)",
            code="artifact_unavailable",
        )

    def text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self.read().decode(encoding, errors)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the contents to this file, or into this folder under the artifact's own path; returns where they are.

        A folder is one that exists, or a path that ends with a slash. Nothing is written outside of it.
        """
        data = self.read()
        target = Path(path)
        if target.is_dir() or os.fspath(path).endswith(os.sep):
            target = self._inside(target)
            target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def _inside(self, folder: Path) -> Path:
        # Links that are there already count as well, hence resolved.
        target = folder / self.path
        if "\0" in self.path or not target.resolve().is_relative_to(folder.resolve()):
            raise CodemodeError(f"artifact {self.path!r} would be written outside of {folder}", code="artifact_path")
        return target

    def _on_this_machine(self) -> bytes | None:
        """None where there is no such file, or another than the code wrote."""
        if self.host_path is None:
            return None
        try:
            with open(self.host_path, "rb", opener=_without_waiting) as file:
                if os.fstat(file.fileno()).st_size != self.size:
                    return None
                found = file.read(self.size + 1)
        except OSError:
            return None
        return found if hashlib.sha256(found).hexdigest() == self.sha256 else None


def _without_waiting(path: str, flags: int) -> int:
    # Whatever stands at that path on this machine: a pipe would wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
