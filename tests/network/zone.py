"""What the arena's name server says. A name has a sequence of answers, one a query; the last one is repeated."""

from __future__ import annotations

from dataclasses import dataclass

from network.places import EVIL, EVIL_V6, GOOD, GOOD_V6, INTERNAL, is_allowed

# How an answer may fail instead.
SILENCE, NO_SUCH_NAME, FAILURE = "silence", "no such name", "failure"


@dataclass(frozen=True)
class Answer:
    """Records of any type, in the order of the answer: `A 11.22.33.44`, `CNAME inner.evil.test`."""

    records: tuple[tuple[str, str], ...] = ()
    ttl: int = 60
    fails: str = ""


def a(*addresses: str, ttl: int = 60) -> Answer:
    return Answer(tuple(("AAAA" if ":" in address else "A", address) for address in addresses), ttl)


def alias(target: str, *addresses: str) -> Answer:
    """A chain as a recursive name server returns it: the alias and what it leads to, in one answer."""
    return Answer((("CNAME", target), *a(*addresses).records))


_CHAIN = tuple(("CNAME", f"link{number}.evil.test") for number in range(6))

ZONE: dict[str, tuple[Answer, ...]] = {
    "evil.test": (a(EVIL, EVIL_V6),),
    "both.allowed.test": (a(GOOD, GOOD_V6),),
    "v6only.allowed.test": (a(GOOD_V6),),
    "internal.allowed.test": (a(INTERNAL),),
    # Failures of the name server.
    "nobody.allowed.test": (Answer(fails=NO_SUCH_NAME),),
    "empty.allowed.test": (Answer(),),
    "silent.allowed.test": (Answer(fails=SILENCE),),
    "failing.allowed.test": (Answer(fails=FAILURE),),
    # Allowed names that lead where nothing may go.
    "ten.allowed.test": (a("10.0.0.1"),),
    "home.allowed.test": (a("192.168.1.1"),),
    "shared.allowed.test": (a("100.64.0.1"),),
    "metadata.allowed.test": (a("169.254.169.254"),),
    "wireserver.allowed.test": (a("168.63.129.16"),),
    "loopback.allowed.test": (a("127.0.0.1"),),
    "loopback-far.allowed.test": (a("127.8.8.8"),),
    "unspecified.allowed.test": (a("0.0.0.0"),),
    "broadcast.allowed.test": (a("255.255.255.255"),),
    "benchmark.allowed.test": (a("198.18.0.1"),),
    "documentation.allowed.test": (a("192.0.2.1"),),
    "v6-loopback.allowed.test": (a("::1"),),
    "v6-unspecified.allowed.test": (a("::"),),
    "v6-unique-local.allowed.test": (a("fd00::1"),),
    "v6-metadata.allowed.test": (a("fd00:ec2::254"),),
    "v6-mapped.allowed.test": (a("::ffff:10.0.0.1"),),
    "v6-mapped-loopback.allowed.test": (a("::ffff:127.0.0.1"),),
    "v6-nat64.allowed.test": (a("64:ff9b::a00:1"),),
    "v6-6to4.allowed.test": (a("2002:a00:1::1"),),
    # One bad apple among good ones.
    "mixed.allowed.test": (a(GOOD, "10.0.0.1"),),
    "mixed-bad-first.allowed.test": (a("10.0.0.1", GOOD),),
    "mixed-loopback.allowed.test": (a(GOOD, "127.0.0.1"),),
    "mixed-v6.allowed.test": (a(GOOD, "fd00::1"),),
    "mixed-v6-loopback.allowed.test": (a(GOOD, "::1"),),
    # Too long for a datagram, and the last record is the bad one.
    "mixed-many.allowed.test": (a(GOOD, *(f"11.22.34.{number}" for number in range(1, 90)), "10.0.0.1"),),
    # Rebinding: what was asked first is not what is asked next.
    "rebind.allowed.test": (a(GOOD, ttl=0), a("10.0.0.1", ttl=0)),
    "rebind-loopback.allowed.test": (a(GOOD, ttl=0), a("127.0.0.1", ttl=0)),
    "rebind-metadata.allowed.test": (a(GOOD, ttl=0), a("169.254.169.254", ttl=0)),
    "rebind-back.allowed.test": (a("10.0.0.1", ttl=0), a(GOOD, ttl=0)),
    "rebind-often.allowed.test": tuple(a(address, ttl=0) for address in (GOOD, "10.0.0.1") * 40),
    # Aliases.
    "alias.allowed.test": (alias("cdn.evil.test", GOOD),),
    "alias-private.allowed.test": (alias("inner.evil.test", "10.0.0.1"),),
    "alias-localhost.allowed.test": (alias("localhost", "127.0.0.1"),),
    "alias-chain.allowed.test": (Answer((*_CHAIN, ("A", "10.0.0.1"))),),
    "alias-loop.allowed.test": (Answer((("CNAME", "alias-loop.allowed.test"),)),),
    "alias-bare.allowed.test": (Answer((("CNAME", "inner-unlisted.evil.test"),)),),
    "inner-unlisted.evil.test": (a("10.0.0.1"),),
    "hosts-file.allowed.test": (a(GOOD),),
}

ALIASED = {value for script in ZONE.values() for one in script for kind, value in one.records if kind == "CNAME"}


def answers(name: str) -> tuple[Answer, ...]:
    """Whoever is allowed lives at GOOD, and everybody else where nobody may arrive."""
    known = ZONE.get(name.lower().removesuffix("."))
    return known or ((a(GOOD),) if is_allowed(name) else (a(EVIL, EVIL_V6),))
