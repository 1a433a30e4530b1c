"""The documents that this product is written to, where they lie beside the repository, cut into what can be run.

They are not copied. A piece is known by its document, its kind, its number among its kind, and a digest of its text.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["block", "table", "error"]
Key = tuple[str, Kind, int]

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "seeds"

_OPENING = re.compile(r" {0,3}(`{3,}|~{3,})\s*(\S*)")
_ERROR = re.compile(r"\*\*Error\*\*: `(.+)`\s*")


@dataclass(frozen=True)
class Piece:
    """A fenced block without its fences, a table, or the text of a documented error."""

    document: str
    kind: Kind
    ordinal: int
    """From 1, among its kind in its document."""
    line: int
    language: str
    """What the opening fence says; of a block only."""
    text: str

    @property
    def key(self) -> Key:
        return self.document, self.kind, self.ordinal

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table below its head."""
        return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in self.text.splitlines()[2:]]

    def __str__(self) -> str:
        first = self.text.strip().partition("\n")[0]
        return f"{self.kind} {self.ordinal} of {self.document} (line {self.line}, sha256 {self.sha256}): {first}"


def absent() -> str | None:
    """Why nothing here can run; None where the documents are there."""
    return None if any(FOLDER.glob("*.md")) else "the seed documents are not at ../shared/seeds beside the repository"


@functools.cache
def pieces() -> dict[Key, Piece]:
    found = (piece for path in sorted(FOLDER.glob("*.md")) for piece in cut(path.name, path.read_text()))
    return {piece.key: piece for piece in found}


def cut(document: str, text: str) -> list[Piece]:
    counts: dict[Kind, int] = {"block": 0, "table": 0, "error": 0}
    found = []
    for kind, line, language, body in _scan(text.splitlines()):
        counts[kind] += 1
        found.append(Piece(document, kind, counts[kind], line, language, body))
    return found


def _scan(lines: list[str]) -> Iterator[tuple[Kind, int, str, str]]:
    at = 0
    while at < len(lines):
        start = at
        at += 1
        if opening := _OPENING.match(lines[start]):
            closing = re.compile(rf" {{0,3}}{opening[1][0]}{{{len(opening[1])},}}\s*")
            while at < len(lines) and not closing.fullmatch(lines[at]):
                at += 1
            yield "block", start + 1, opening[2], "".join(f"{line}\n" for line in lines[start + 1 : at])
            at += 1
        elif lines[start].lstrip().startswith("|"):
            while at < len(lines) and lines[at].lstrip().startswith("|"):
                at += 1
            yield "table", start + 1, "", "".join(f"{line}\n" for line in lines[start:at])
        elif error := _ERROR.fullmatch(lines[start]):
            yield "error", start + 1, "", error[1]
