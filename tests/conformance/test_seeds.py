"""Nothing of the documents is left out: each piece has a runner, each runner exists, each claim has a proof."""

from __future__ import annotations

import ast
from dataclasses import replace

from conformance import documents, seeds
from conformance.claims import CLAIMS
from conformance.proofs import ROOT, missing
from conformance.seeds import ENTRIES, HERE

TEXT = """\
```python
1
```

| a | b |
|---|---|
| c `d` | e |

~~~~yaml
```
k: 1
```
~~~~

**Error**: `oops: 1`
"""


def test_every_piece_has_a_runner() -> None:
    problems = seeds.problems(documents.pieces().values())
    assert not problems, "\n".join(problems)


def test_a_changed_and_an_added_piece_have_none() -> None:
    pieces = list(documents.pieces().values())
    changed = replace(pieces[3], text=f"{pieces[3].text}# and more\n")
    added = replace(pieces[0], ordinal=99)
    assert seeds.problems([*pieces[:3], changed, *pieces[4:], added]) == [
        f"no runner for {changed}",
        f"no runner for {added}",
    ]
    (gone,) = seeds.problems(pieces[1:])
    assert gone.startswith(f"{ENTRIES[0].title}: no such block")


def test_how_a_document_is_cut() -> None:
    pieces = documents.cut("x.md", TEXT)
    assert [(piece.kind, piece.ordinal, piece.line, piece.language, piece.text) for piece in pieces] == [
        ("block", 1, 1, "python", "1\n"),
        ("table", 1, 5, "", "| a | b |\n|---|---|\n| c `d` | e |\n"),
        ("block", 2, 9, "yaml", "```\nk: 1\n```\n"),
        ("error", 1, 15, "", "oops: 1"),
    ]
    assert pieces[1].rows == [["c `d`", "e"]]


def test_every_runner_takes_its_piece() -> None:
    missing = [entry.runner for entry in ENTRIES if entry.runner and "piece" not in _parameters(entry.runner)]
    assert missing == []
    assert len({entry.runner for entry in ENTRIES if entry.runner}) == sum(bool(entry.runner) for entry in ENTRIES)


def test_only_figures_have_no_runner_and_what_is_not_as_printed_says_why() -> None:
    for entry in ENTRIES:
        assert (entry.how == "figure") == (not entry.runner), entry.title
        assert entry.how == "as printed" or (entry.reason and entry.nearest), entry.title
        assert not entry.runner or documents.pieces()[entry.key].language or entry.kind != "block", entry.title


def test_every_proof_exists() -> None:
    """Of the claims, and of what the table names beside its runners: pytest finds each, or the Rust source has it."""
    proofs = {proof for claim in CLAIMS for proof in claim.proofs} | {also for entry in ENTRIES for also in entry.also}
    assert all(claim.proofs for claim in CLAIMS)
    said = missing(proofs)
    assert not said, "\n".join(said)


def _parameters(runner: str) -> list[str]:
    file, _, name = runner.partition("::")
    for node in ast.parse((ROOT / HERE / file).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [argument.arg for argument in node.args.args]
    return []
