"""The server of the egress benchmark: `GET /N` answers with N bytes, `GET /paced/N` no faster than a wire of 5 Gbit/s.

TLS on 443, plain HTTP on 80, on one address.

python egress_server.py ADDRESS CERTIFICATE KEY      prints a line when it listens; ends with its standard input

A thread for each connection. What is sent lies in memory and leaves in large pieces outside of the interpreter's lock,
so the server costs what TLS and the kernel cost, and little more.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

BLOCK = 4 << 20
# A good network between two machines, in bytes per second.
WIRE = 5 * 10**9 // 8
SO_MAX_PACING_RATE = 47

Send = Callable[[int], None]


def main() -> None:
    address, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # Nobody resumes a session here, and tickets would be written behind the last handshake message.
    context.num_tickets = 0
    listen((address, 443), lambda raw: secured(raw, context))
    listen((address, 80), plain)
    print("listens", flush=True)
    sys.stdin.read()
    os._exit(0)  # whoever is still being served is of no interest any more


def listen(address: tuple[str, int], converse: Callable[[socket.socket], None]) -> None:
    listener = socket.create_server(address, backlog=512)

    def accept() -> None:
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=host, args=(raw,), daemon=True).start()

    def host(raw: socket.socket) -> None:
        with raw, suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            converse(raw)

    threading.Thread(target=accept, daemon=True).start()


def secured(raw: socket.socket, context: ssl.SSLContext) -> None:
    with context.wrap_socket(raw, server_side=True) as connection:
        answer(connection, lambda count: in_blocks(connection, count))


def plain(raw: socket.socket) -> None:
    answer(raw, lambda count: from_file(raw, count))


def answer(connection: socket.socket, send: Send) -> None:
    """Requests without a body, one after the other."""
    held = b""
    while True:
        while (end := held.find(b"\r\n\r\n")) < 0:
            if not (more := connection.recv(65536)):
                return
            held += more
        target, held = held.split(b" ", 2)[1], held[end + 4 :]
        count = int(target.rpartition(b"/")[2])
        if target.startswith(b"/paced/"):
            connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, WIRE)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count
        if count < BLOCK:
            connection.sendall(head + bytes(count))
        else:
            connection.sendall(head)
            send(count)


def in_blocks(connection: ssl.SSLSocket, count: int) -> None:
    block = memoryview(bytes(BLOCK))
    while count:
        part = min(count, BLOCK)
        connection.sendall(block[:part])
        count -= part


def from_file(connection: socket.socket, count: int) -> None:
    """Without a copy into this process."""
    file = os.memfd_create("answer")
    try:
        os.truncate(file, BLOCK)
        os.pwrite(file, bytes(BLOCK), 0)  # holes would be filled in while they are sent
        while count:
            count -= os.sendfile(connection.fileno(), file, 0, min(count, BLOCK))
    finally:
        os.close(file)


if __name__ == "__main__":
    main()
