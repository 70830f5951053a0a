"""What a gateway must be to be measured, and what every one of them is told to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

GATEWAY_NAME = "vpn.example.net"
POOL_FIRST, POOL_LAST = "10.88.0.1", "10.88.15.254"
IKE_PROPOSAL = "aes256-sha256-modp2048"
ESP_PROPOSALS = ("aes256-sha256", "aes128gcm16")


@dataclass(frozen=True)
class User:
    """A login of the benchmark."""

    name: str
    password: str


USERS = tuple(User(f"user{number:02}", f"open sesame {number:02}") for number in range(16))
"""Few users with many devices each: what a user costs to set up is not what is measured."""


class Gateway(Protocol):
    """A gateway for hybrid RSA main mode with Xauth, a certificate of ``GATEWAY_NAME`` with an RSA-2048 key, the users
    above with any number of devices each, the pool above, no dead peer detection and no masquerade.

    Attributes:
        name: How the report calls it.
        authority: PEM file of the CA that clients trust it by, once started.
    """

    name: str
    authority: Path

    def start(self) -> None:
        """Start it; it answers when this returns."""

    def pids(self) -> list[int]:
        """All its processes."""

    def stop(self) -> None:
        """End it; harmless when it does not run."""
