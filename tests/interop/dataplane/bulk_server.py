"""A program: tells each TCP client where it comes from and its segment size, then does what it says.

The client sends one line, ``send OCTETS`` or ``take OCTETS``.
"""

# ruff: noqa: T201 - what the tests wait for

from __future__ import annotations

import socket
import threading


def serve(connection: socket.socket, peer: str) -> None:
    with connection, connection.makefile("rb") as lines:
        segment = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        connection.sendall(f"{peer} {segment}\n".encode())
        verb, octets = lines.readline().split()
        if verb == b"send":
            connection.sendall(bytes(int(octets)))
        else:
            lines.read(int(octets))
            connection.sendall(b"taken\n")


def main() -> None:
    with socket.create_server(("10.77.0.2", 8000)) as server:
        print("ready", flush=True)
        while True:
            connection, (peer, _) = server.accept()
            threading.Thread(target=serve, args=(connection, peer), daemon=True).start()


if __name__ == "__main__":
    main()
