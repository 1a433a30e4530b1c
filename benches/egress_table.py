"""The egress benchmark's part of BENCHMARKS.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

# What mode `restricted` should cost at most: a tenth of the throughput, a millisecond of latency.
MOST_THROUGHPUT, MOST_LATENCY = 0.10, 1.0
OURS = ("connect", "captured")
NAMES = {
    "direct": "direct (mode `all`)",
    "connect": "codemode, mode `restricted`, CONNECT",
    "captured": "codemode, mode `restricted`, captured",
    "mitmproxy": "mitmproxy",
    "mitmproxy_passing": "mitmproxy, TLS passed through",
}
TITLE = "## Egress: the way out of a sandbox"


def section(found: dict[str, Any], cores: int) -> str:
    if "direct" not in found:
        return f"{TITLE}\n\nNot measured: {found.get('absent') or found.get('failed')}."
    missed: set[str] = set()
    parts = [TITLE, throughput(found, missed), latency(found, missed)]
    parts += [f"\\* {text}" for text in reasons(found, missed, cores)]
    return "\n\n".join([*parts, COMPARED])


def throughput(found: dict[str, Any], missed: set[str]) -> str:
    def cells(key: str, row: dict[str, Any]) -> Iterator[str]:
        for scheme in ("paced", "https", "http"):
            cost = 1 - row[scheme] / found["direct"][scheme]
            mark = marked(key, cost > MOST_THROUGHPUT, scheme, missed)
            yield f"{row[scheme] / 2**20:.0f}"
            yield "" if key == "direct" else f"{100 * cost:.0f} %{mark}"

    return table(["MiB/s", "TLS at 5 Gbit/s", "cost", "TLS, no wire", "cost", "HTTP, no wire", "cost"], found, cells)


def latency(found: dict[str, Any], missed: set[str]) -> str:
    def cells(key: str, row: dict[str, Any]) -> Iterator[str]:
        for kind in ("fresh", "kept", "kept_http"):
            added = row[kind]["median"] - found["direct"][kind]["median"]
            mark = marked(key, added > MOST_LATENCY, "latency", missed)
            yield f"{row[kind]['median']:.2f}"
            yield f"{row[kind]['p99']:.2f}"
            yield "" if key == "direct" else f"{added:+.2f}{mark}"

    kinds = ("HTTPS, new connection", "HTTPS, kept", "HTTP, kept")
    return table(["ms", *(head for kind in kinds for head in (kind, "p99", "added"))], found, cells)


def table(heads: list[str], found: dict[str, Any], cells: Callable[[str, dict[str, Any]], Iterable[str]]) -> str:
    """A row for each contestant, measured or not."""
    columns = len(heads) - 1
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * columns]
    for key, name in NAMES.items():
        row = found.get(key)
        if row is None:
            lines.append(f"| {name} | not measured |" + " |" * (columns - 1))
        else:
            lines.append(f"| {name} | {' | '.join(cells(key, row))} |")
    return "\n".join(lines)


def marked(key: str, is_over: bool, what: str, missed: set[str]) -> str:
    if key not in OURS or not is_over:
        return ""
    missed.add(what)
    return " \\*"


def reasons(found: dict[str, Any], missed: set[str], cores: int) -> list[str]:
    """Why a bar was missed, a sentence each."""
    gigabits = min(found[key]["http"] for key in OURS if key in found) * 8 / 1e9
    known = {
        "paced": f"Over the bar at 5 Gbit/s: client, server and proxy share {cores} cores, and TLS needs most of them.",
        "https": f"Over the bar in TLS without a wire: client, server and proxy share {cores} cores. What the proxy "
        "uses is taken from the two ends.",
        "http": "Over the bar in HTTP without a wire: directly, loopback passes pages on without a copy, and the proxy "
        f"reads and writes each byte. It still carries {gigabits:.0f} Gbit/s.",
        "latency": f"Over the bar in latency: on {cores} cores, each of the three that takes part may wait for a core.",
    }
    return [text for what, text in known.items() if what in missed]


COMPARED = """\
One download of 512 MiB, the median of five, and the medians of 200 small requests on new connections and of 500 on a
kept one. Client, proxy and server are on one machine, in a network namespace that has nothing but `lo`. The client is
the same code in a Codemode sandbox in every row, so the sandbox itself is in none of the differences. The rows take
turns.

- **direct**: mode `all`, no proxy. **CONNECT**: by the proxy variables. **captured**: without, by the stub resolver.
- **mitmproxy**: 11.0.2 from PyPI, mode `regular`, large bodies streamed, its authority trusted by the client; and once
  with `--ignore-hosts`, so that it passes TLS on without a look.
- *At 5 Gbit/s* the server sends no faster than that, as over a good network. *No wire*: as fast as loopback and the
  cores go.
- *Cost* and *added* are against direct. The bar for Codemode is 10 % and 1 ms."""
