"""One execution of `2 + 2`: embedded, over TCP with a key, over TLS with a key."""

from __future__ import annotations

from contextlib import AbstractContextManager

import measure
from codemode import ClientConfig, Codemode
from measure import Samples, Size
from measures import serving

CODE = "2 + 2"


def embedded(size: Size) -> Samples:
    with Codemode() as client:
        return both_ways(client, size)


def tcp(size: Size) -> Samples:
    return served(serving.tcp(), size)


def tls(size: Size) -> Samples:
    return served(serving.tls(), size)


def served(place: AbstractContextManager[ClientConfig], size: Size) -> Samples:
    with place as config, Codemode(config) as client:
        return both_ways(client, size)


def both_ways(client: Codemode, size: Size) -> Samples:
    measure.warm(lambda: once(client))
    return measure.both_ways(lambda: once(client), size.samples)


def once(client: Codemode) -> None:
    answer = client.execute(CODE)
    assert answer.result == 4, answer
