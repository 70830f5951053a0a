"""A program: ``python bulk_client.py send|take OCTETS`` has ``bulk_server`` send or take so many octets.

It prints what the server saw of it, and how many octets came. ``start`` on its own line says that they flow.
"""

# ruff: noqa: T201 - what the tests wait for

from __future__ import annotations

import socket
import sys


def main() -> None:
    verb, octets = sys.argv[1], int(sys.argv[2])
    with socket.create_connection(("10.77.0.2", 8000), timeout=60) as connection, connection.makefile("rb") as stream:
        print(stream.readline().decode().strip(), flush=True)
        connection.sendall(f"{verb} {octets}\n".encode())
        print("start", flush=True)
        if verb == "send":
            print(len(stream.read()))
        else:
            connection.sendall(bytes(octets))
            print(stream.readline().decode().strip())


if __name__ == "__main__":
    main()
