"""Ports for programs that have to be told one before they start."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

_GIVEN_TO_ANYBODY = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def free_port() -> int:
    """Give a port that nobody has at the moment, for UDP and TCP.

    None of those that the kernel gives to whoever asks for any: another test's connection would have it meanwhile.
    """
    end = int(_GIVEN_TO_ANYBODY.read_text("ascii").split()[0])
    while True:
        port = _LOWEST + secrets.randbelow(end - _LOWEST)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
