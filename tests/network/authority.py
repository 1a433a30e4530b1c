"""Certificates for the arena's servers, from an authority that only its policies trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from network.peers import Visit
from network.places import GOOD, GOOD_V6, INTERNAL, LISTED, SPECIAL

_NAMES = (
    "*.allowed.test", "exact.test", "evil.test", "*.evil.test", "*.deep.allowed.test", "allowed.test",
    "*.blocked.allowed.test", "*.test", GOOD, GOOD_V6, LISTED, INTERNAL, *SPECIAL,
)  # fmt: skip


class Authority:
    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._certificate = self._authority.issue_cert(*_NAMES)

    def write(self, path: Path) -> Path:
        self._authority.cert_pem.write_to_path(str(path))
        path.chmod(0o644)
        return path

    def trusted(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    def context(self, visit: Visit) -> ssl.SSLContext:
        """For one connection; the name that the peer asks for is taken down."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        context.set_alpn_protocols(["http/1.1"])

        def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
            visit.sni = name

        context.sni_callback = note  # type: ignore[assignment]
        return context
