"""One run on one machine: Codemode's release wheel beside the peers, the kernel alone, and its bars.

    bench.py                       everything; prints the table, writes BENCHMARKS.md, BENCHMARKS.json and the plots
    bench.py --only paced,toolcall --quick     some of it, with few samples; prints the table and writes nothing
    bench.py --long                as many executions and sandboxes as the bars name (some ten minutes more)
    bench.py --check               a new run against the committed BENCHMARKS.json; ends with 1 where it is worse

The contestants have virtual environments of their own under .bench-venv: two of them are imported as `codemode`.
Standard library only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import check
import machine
import report
from groups import GROUPS
from rows import Found, Row
from turns import HERE, ROOT, Turns, environment, say

MITMPROXY = "mitmproxy==11.0.2"
MATPLOTLIB = "matplotlib==3.11.2"
EGRESS = "egress"
# How often rows that seem worse are measured again.
TRIES = 2


def main() -> None:
    options = arguments()
    turns = Turns(options.size, options.wheel or built_wheel())
    begun = machine.facts()
    if begun["load"] > machine.QUIET:
        say(f"the machine is busy (load {begun['load']:.2f}): ratios may hold, absolute figures will not")
    if options.check:
        return compare(turns, options.only, options.check, begun)
    rows, found = measured(turns, options.only)
    egress = measured_egress(turns.wheel) if EGRESS in options.only else {"absent": "not part of this run"}
    explained = text(ROOT / report.PROFILES)
    results = report.numbers(
        rows,
        found,
        {
            "size": options.size,
            "date": datetime.date.today().isoformat(),
            "machine": {**begun, "load_after": machine.load()},
            "isolation": {key: turns.facts[key] for key in ("tier", "layers", "substitutes")},
            "egress": egress,
        },
    )
    print("\n".join([*machine.described(results, results["date"]), "", report.table(rows, explained)]))
    if options.output is None:
        return say("written: nothing, as this was no whole run (--output writes it anyway)")
    write(options.output, rows, results, explained)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [*GROUPS, EGRESS]
    parser.add_argument("--only", metavar="NAME,…", default="", help=f"of: {', '.join(names)}")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", help="fewer samples, one round")
    parser.add_argument(
        "--long", dest="size", action="store_const", const="long", help="50 000 executions, 1 000 sandboxes"
    )
    committed = ROOT / "BENCHMARKS.json"
    parser.add_argument(
        "--check",
        type=Path,
        nargs="?",
        const=committed,
        metavar="FILE",
        help="compare with the committed BENCHMARKS.json",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where to write (the repository, after a whole run)"
    )
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="another wheel than that of dist/")
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name] or names
    if unknown := set(options.only) - set(names):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if options.output is None and options.size != "quick" and options.only == names:
        options.output = ROOT
    options.size = options.size or "normal"
    return options


def built_wheel() -> Path:
    wheels = sorted((ROOT / "dist").glob("codemode_runtime-*.whl"))
    if len(wheels) != 1:
        raise SystemExit("bench: dist/ must hold exactly one wheel; run `make wheel`")
    return wheels[0]


def measured(turns: Turns, names: list[str]) -> tuple[list[Row], Found]:
    chosen = [GROUPS[name] for name in names if name in GROUPS]
    found = turns.run(chosen)
    return [row for group in chosen for row in group.rows(found)], found


def compare(turns: Turns, names: list[str], path: Path, begun: dict[str, Any]) -> None:
    if not path.is_file():
        raise SystemExit(f"bench: there is no {path.name} to compare with; `make bench` writes it")
    results = json.loads(path.read_text())
    if results["size"] != turns.size:
        say(f"{path.name} is of size {results['size']}, this run of size {turns.size}: ratios may differ by that")
    if other := machine.differences(results["machine"], begun):
        say(f"{path.name} is of another machine, and ratios differ between machines: {'; '.join(other)}")
    committed = [Row.from_json(row) for row in results["rows"]]
    rows, _ = measured(turns, names)
    for _ in range(TRIES):
        worse = {regression.row.id for regression in check.regressions(committed, rows)}
        again = [name for name in names if name in GROUPS and worse & {row.id for row in GROUPS[name].rows(Found())}]
        if not again:
            break
        say(f"seems worse, measured again: {', '.join(again)}")
        rows = check.best(rows, measured(turns, again)[0])
    print(report.table(rows))
    if found := check.regressions(committed, rows):
        raise SystemExit("\n".join(["bench: worse than the committed run:", *(entry.text for entry in found)]))
    say(f"no ratio is more than {100 * check.TOLERANCE:.0f} % worse than in the committed run")


def measured_egress(wheel: Path) -> dict[str, Any]:
    if os.getuid() != 0:
        return {"absent": "only root can make the network that it runs in"}
    python = environment("codemode", [str(wheel)])
    try:
        peer = [environment("mitmproxy", [MITMPROXY]).with_name("mitmdump")]
    except subprocess.CalledProcessError:
        peer = []
    say("egress")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CODEMODE_")}
    command = [python, HERE / "egress.py", python.with_name("codemode"), *peer]
    done = subprocess.run(command, check=False, env=environ, cwd=HERE, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"failed": f"exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write(folder: Path, rows: list[Row], results: dict[str, Any], explained: str) -> None:
    numbers = folder / "BENCHMARKS.json"
    numbers.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (folder / "BENCHMARKS.md").write_text(report.document(rows, results, explained))
    say(f"written: {folder / 'BENCHMARKS.md'} and {numbers.name}")
    try:
        python = environment("plot", [MATPLOTLIB])
    except subprocess.CalledProcessError:
        return say("no plots: matplotlib cannot be installed")
    subprocess.run([python, HERE / "plot.py", numbers, folder / "docs" / "performance"], check=True)


def text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


if __name__ == "__main__":
    main()
