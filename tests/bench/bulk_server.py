"""A program: an HTTP server that makes and swallows octets at next to no cost.

``python bulk_server.py ADDRESS FILE``: what is asked for is FILE, by sendfile(2); what is PUT is read and forgotten.
"""

from __future__ import annotations

import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_BUFFER_OCTETS = 1 << 20


class _Handler(BaseHTTPRequestHandler):
    file: Path

    def do_GET(self) -> None:
        """Send the file."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(self.file.stat().st_size))
        self.end_headers()
        with self.file.open("rb") as content:
            self.connection.sendfile(content)

    def do_PUT(self) -> None:
        """Swallow the body."""
        left = int(self.headers["Content-Length"])
        buffer = memoryview(bytearray(_BUFFER_OCTETS))
        while left:
            count = self.rfile.readinto1(buffer[: min(left, _BUFFER_OCTETS)])
            if not count:
                break
            left -= count
        self.send_response(HTTPStatus.NO_CONTENT if not left else HTTPStatus.BAD_REQUEST)
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without the name look-up of the standard library, which would wait for a DNS that is not there."""
        socketserver.TCPServer.server_bind(self)


def main() -> None:
    """Serve until killed."""
    address, file = sys.argv[1:]
    _Handler.file = Path(file)
    with _Server((address, 80), _Handler) as server:
        print("serving", flush=True)  # noqa: T201 - what the benchmark waits for
        server.serve_forever()


if __name__ == "__main__":
    main()
