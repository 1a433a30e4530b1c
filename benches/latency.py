"""The rows about how long one thing takes."""

from __future__ import annotations

from rows import Found, Row, ratios

FORK, RAW = "fork + run + reap", "raw Unix socket"


def row(found: Found, name: str, label: str, path: str, bar: float, peers: dict[str, str]) -> Row:
    """The middle, in milliseconds, beside the middles of the peers."""
    figure = found.middle(path)
    against = ratios(figure, {peer: found.middle(other) for peer, other in peers.items()})
    return Row(name, label, "ms", figure, bar, ratios=against, absent=found.why_not(path))


def paced(found: Found) -> list[Row]:
    path = "codemode.embedded.paced"
    peers = {
        FORK: "fork.run.paced",
        "opencodemode": "opencodemode.run.back_to_back",
        "Monty": "monty.run.paced",
        "smolagents": "smolagents.run.paced",
        "python -I -S -c": "spawn.python.back_to_back",
        "bubblewrap": "spawn.bubblewrap.back_to_back",
        "docker run": "spawn.docker.back_to_back",
    }
    closed = {FORK: "fork.run.back_to_back", "Monty": "monty.run.back_to_back"}
    median = row(found, "paced", "`2 + 2`, embedded, one request every 20 ms: median", path, 0.8, peers)
    p99 = Row("paced-p99", "the same: p99", "ms", found.percentile(path, 99), 5.0, absent=found.why_not(path))
    back_to_back = "codemode.embedded.back_to_back"
    return [
        median,
        p99,
        row(found, "closed", "`2 + 2`, embedded, back to back: median", back_to_back, 2.5, closed),
        Row(
            "opencodemode",
            "`2 + 2`, paced: times as fast as opencodemode",
            "x",
            median.ratios.get("opencodemode"),
            300,
            "high",
            absent=found.why_not(peers["opencodemode"]),
        ),
    ]


def remote(found: Found) -> list[Row]:
    peers = {FORK: "fork.run.paced"}
    return [
        row(found, "tcp", "`2 + 2`, TCP with a key, every 20 ms: median", "codemode.tcp.paced", 1.0, peers),
        row(found, "tls", "`2 + 2`, TLS with a key, every 20 ms: median", "codemode.tls.paced", 1.2, peers),
    ]


def blocks(found: Found) -> list[Row]:
    def against(name: str, label: str, key: str) -> Row:
        own, other = found.middle(f"codemode.blocks.{key}"), found.middle(f"monty.blocks.{key}")
        return Row(
            name,
            label,
            "ms",
            own,
            other,
            bar_text="< Monty",
            ratios=ratios(own, {"Monty": other}),
            absent=found.why_not(f"codemode.blocks.{key}"),
        )

    return [
        against("blocks", "ten blocks with ten tool calls each, one after the other", "one_by_one"),
        against("blocks-at-once", "ten blocks with ten tool calls each, those of a block at once", "at_once"),
    ]


def toolcall(found: Found) -> list[Row]:
    path = "codemode.tool.round_trip"
    raw = found.middle("raw.round_trip.round_trip")
    peers = {
        RAW: "raw.round_trip.round_trip",
        "the same by way of a third process": "raw.round_trip.relayed",
        "Monty": "monty.tool.round_trip",
        "opencodemode": "opencodemode.tool.round_trip",
        "smolagents, in one process": "smolagents.tool.round_trip",
    }
    own = row(found, "toolcall", "one tool call, one after the other: median", path, 0.25, peers)
    bound = None if raw is None else 3 * raw
    text = "≤ 3 x raw socket"
    return [
        own,
        Row(
            "toolcall-raw",
            "the same, against the raw socket",
            "ms",
            own.figure,
            bound,
            bar_text=text,
            absent=own.absent,
        ),
    ]


def mapped(found: Found) -> list[Row]:
    path = "codemode.map.rate"
    figure, raw = found.middle(path), found.middle("raw.round_trip.round_trip")
    peers = {RAW: None if not raw else 1000 / raw}
    label = "1 000 tool calls by `tools.map`"
    return [
        Row(
            "map", label, "/s", figure, 20_000, "high", ratios=ratios(figure, peers, "high"), absent=found.why_not(path)
        )
    ]


def parallel(found: Found) -> list[Row]:
    figure = found.worst("codemode.parallel.blocking", "codemode.parallel.async")
    peers = {"four threads": found.middle("raw.parallel.seconds")}
    absent = found.why_not("codemode.parallel.blocking")
    label = "four tools of 2 s called in parallel, blocking or async"
    return [Row("parallel", label, "s", figure, 2.05, ratios=ratios(figure, peers), absent=absent)]


def preload(found: Found) -> list[Row]:
    peers = {"spawned, imported there": "preload.preload.cold"}
    label = "pandas in `preload`: `import pandas` and a small frame: median"
    return [row(found, "preload", label, "preload.preload.preloaded", 5.0, peers)]


def start(found: Found) -> list[Row]:
    peers = {"python -I -S -c": "spawn.python.back_to_back"}
    label = "start of `codemode serve` to the first answer: median"
    return [row(found, "start", label, "codemode.start.first_answer", 400, peers)]
