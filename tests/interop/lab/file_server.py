"""A program: serves the files of a folder over HTTP on one address, port 80, and prints who asked for what.

``python file_server.py ADDRESS FOLDER``
"""

from __future__ import annotations

import functools
import socketserver
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Bind without the name look-up of the standard library, which would wait for a DNS that is not there."""
        socketserver.TCPServer.server_bind(self)


def main() -> None:
    address, folder = sys.argv[1:]
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with _Server((address, 80), handler) as server:
        sys.stdout.write(f"serving {folder}\n")  # what the laboratory waits for
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
